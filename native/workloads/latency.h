/* latency.h: how long single calls of the allocator take, in a runner built with WORKLOAD_LATENCY; in any
 * other build nothing is measured and these functions are empty. */
#ifndef HAK_WORKLOAD_LATENCY_H
#define HAK_WORKLOAD_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef WORKLOAD_LATENCY

/* Before the lanes start. 0, or -1 if the system refuses the memory (errno). */
int latency_prepare(uint32_t lane_count);
/* The calling thread works on that lane from here; up to the end, its calls are sampled. */
void latency_begin(uint32_t lane);
void latency_end(void);
/* After the run: the "latency" member of the report, with a comma before it; passed on in pieces. */
void latency_report(void (*write_piece)(const char *text));

#else

static inline int latency_prepare(uint32_t lane_count)
{
    (void)lane_count;
    return 0;
}
static inline void latency_begin(uint32_t lane)
{
    (void)lane;
}
static inline void latency_end(void)
{
}
static inline void latency_report(void (*write_piece)(const char *text))
{
    (void)write_piece;
}

#endif
#endif
