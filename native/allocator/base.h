/* base.h: constants, compiler hints and the few helpers that every component uses. It has no state. */
#ifndef HAK_BASE_H
#define HAK_BASE_H

#include "system_page.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_BYTES ((size_t)64 * 1024)
#define SLAB_SHIFT 16
#define SLABS_PER_CHUNK 32u
#define CHUNK_BYTES (SLAB_BYTES * SLABS_PER_CHUNK) /* 2 MiB: also the frame of the registry */
#define CHUNK_SHIFT 21
#define CACHE_LINE 64
#define MAX_HEAPS 8 /* central.h */

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))

/* Reports an error of the allocator itself, not of the program. Only debug builds check it, and without printf. */
#if defined(HAK_DEBUG) && HAK_DEBUG
#define HAK_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define HAK_ASSERT(condition) ((void)0)
#endif

static inline size_t round_up(size_t value, size_t power_of_two)
{
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}

static inline unsigned log2_floor(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

static inline uint64_t power_of_two_at_least(uint64_t value)
{
    return value <= 1 ? 1 : UINT64_C(1) << (log2_floor(value - 1) + 1);
}

static inline int64_t clamp_int64(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The thread that acts. Every function that may append an event gets it; a thread's cache holds it. */
struct actor {
    uint32_t thread_id;
    uint32_t reserved;
    uint64_t operations; /* the thread's allocations so far, as published */
};

#endif
