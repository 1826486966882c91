/* slab_runs.h: aligned runs of slabs in a chunk's 32-bit masks. */
#ifndef HAK_SLAB_RUNS_H
#define HAK_SLAB_RUNS_H

#include "chunk.h"

#define RUN_ORDERS 6 /* runs of 1, 2, 4, 8, 16, 32 slabs */
#define FULL_MASK UINT32_MAX

/* starts[k]: bit i is set if an aligned free run of 2^k slabs starts at i. */
static inline void find_runs(uint32_t mask, uint32_t starts[RUN_ORDERS])
{
    static const uint32_t aligned[RUN_ORDERS] = {0xffffffff, 0x55555555, 0x11111111, 0x01010101, 0x00010001, 1};
    starts[0] = mask;
    for (unsigned order = 1; order < RUN_ORDERS; order++)
        starts[order] = starts[order - 1] & (starts[order - 1] >> (1u << (order - 1))) & aligned[order];
}

static inline unsigned largest_run(uint32_t mask)
{
    uint32_t starts[RUN_ORDERS];
    find_runs(mask, starts);
    for (unsigned order = RUN_ORDERS; order-- > 0;)
        if (starts[order])
            return order;
    return NO_RUN;
}

/* Has a bit for each place in the mask where an aligned run of 2^order slabs starts. */
static inline uint32_t runs_in(uint32_t mask, unsigned order)
{
    uint32_t starts[RUN_ORDERS];
    find_runs(mask, starts);
    return starts[order];
}

static inline uint32_t run_mask(unsigned order, unsigned first)
{
    return (order == RUN_ORDERS - 1 ? FULL_MASK : (1u << (1u << order)) - 1) << first;
}

/* The bits of `count` slabs from `first` on. */
static inline uint32_t slabs_mask(unsigned first, unsigned count)
{
    return (count == SLABS_PER_CHUNK ? FULL_MASK : (1u << count) - 1) << first;
}

#endif
