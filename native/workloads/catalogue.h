/* catalogue.h: the list of all workloads. A new workload needs one file, and one row here. */
#ifndef HAK_CATALOGUE_H
#define HAK_CATALOGUE_H

#include "workload.h"

/* The workloads in the order in which they are shown. */
#define WORKLOAD_CATALOGUE(ROW) \
    ROW(larson)                 \
    ROW(random_mixed)           \
    ROW(site_churn)             \
    ROW(mid_churn)              \
    ROW(phases)                 \
    ROW(pair)                   \
    ROW(batch)                  \
    ROW(remote)                 \
    ROW(swap)                   \
    ROW(large)                  \
    ROW(realloc_growth)         \
    ROW(calloc_churn)           \
    ROW(sh6)                    \
    ROW(sh8)                    \
    ROW(producer_consumer)      \
    ROW(mstress)                \
    ROW(rptest)                 \
    ROW(pareto)                 \
    ROW(cache_thrash)           \
    ROW(cache_scratch)          \
    ROW(thread_exit)            \
    ROW(fragmentation)          \
    ROW(service)                \
    ROW(replay)

#define WORKLOAD_DECLARE(name) extern const struct workload workload_##name;
WORKLOAD_CATALOGUE(WORKLOAD_DECLARE)

/* Indices begin at 0. Returns NULL beyond the last. */
const struct workload *workload_at(uint32_t index);
const struct workload *workload_find(const char *name);

#endif
