/* latency.h: measures how long single calls of the allocator take, in a runner built with WORKLOAD_LATENCY. In any
 * other build nothing is measured and these functions are empty.
 *
 * One call in LATENCY_INTERVAL on average is timed by the processor's counter. The calls are chosen at random,
 * so that the choice does not follow a pattern of the workload. */
#ifndef HAK_WORKLOAD_LATENCY_H
#define HAK_WORKLOAD_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef WORKLOAD_LATENCY
#include "processor.h"
#include "sized_free.h"

#define LATENCY_INTERVAL 16u

enum latency_call { LATENCY_MALLOC, LATENCY_REALLOC, LATENCY_FREE, LATENCY_CALL_COUNT };

/* A lane's histograms (latency.c), which only the thread that works on the lane writes. */
struct latency_lane;

/* The thread's countdown to its next timed call, or 0 while nothing is measured. */
extern _Thread_local uint32_t latency_countdown;

/* Chooses the next interval at random. */
void latency_rearm(void);
void latency_note(enum latency_call call, uint64_t ticks);

static inline bool latency_is_due(void)
{
    if (latency_countdown == 0 || --latency_countdown != 0)
        return false;
    latency_rearm();
    return true;
}

#define LATENCY_RETURN_TIMED(call, expression)                                                         \
    do {                                                                                               \
        if (!latency_is_due())                                                                         \
            return expression;                                                                         \
        uint64_t start = processor_ticks_before();                                                              \
        void *block_ = expression;                                                                     \
        latency_note(call, processor_ticks_after() - start);                                                       \
        return block_;                                                                                 \
    } while (0)

static inline void *latency_malloc(size_t bytes)
{
    LATENCY_RETURN_TIMED(LATENCY_MALLOC, malloc(bytes));
}

static inline void *latency_calloc(size_t count, size_t bytes)
{
    LATENCY_RETURN_TIMED(LATENCY_MALLOC, calloc(count, bytes));
}

static inline void *latency_aligned_alloc(size_t alignment, size_t bytes)
{
    LATENCY_RETURN_TIMED(LATENCY_MALLOC, aligned_alloc(alignment, bytes));
}

static inline void *latency_realloc(void *block, size_t bytes)
{
    LATENCY_RETURN_TIMED(LATENCY_REALLOC, realloc(block, bytes));
}

static inline void latency_free(void *block)
{
    if (!latency_is_due()) {
        free(block);
        return;
    }
    uint64_t start = processor_ticks_before();
    free(block);
    latency_note(LATENCY_FREE, processor_ticks_after() - start);
}

static inline void latency_free_sized(void *block, size_t bytes)
{
    if (!latency_is_due()) {
        sized_free(block, bytes);
        return;
    }
    uint64_t start = processor_ticks_before();
    sized_free(block, bytes);
    latency_note(LATENCY_FREE, processor_ticks_after() - start);
}

/* Called before the lanes start. Returns 0, or -1 and sets errno if the system refuses the memory. */
int latency_prepare(uint32_t lane_count);
/* The calling thread works on that lane. Its calls are sampled until latency_end. */
void latency_begin(uint32_t lane);
void latency_end(void);
/* Called after the run: writes the "latency" member of the report, with a comma before it, in pieces. */
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
