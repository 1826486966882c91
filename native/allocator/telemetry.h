/* telemetry.h: the metric words of the control block as C structs, generated from telemetry.def.
 * The block's DATA section *is* a struct telemetry: readers see the words as they are written.
 *
 * Every word is relaxed. Only the thread writes its THREAD and THREAD_CLASS words. CLASS, GHOST, BIG_SIZE, BIG_DELAY, SHARD
 * and TIER words are written under the lock of what they count, or added to atomically; GLOBAL words are added to atomically, on slow
 * paths only. Each row starts on a cache line of its own. */
#ifndef HAK_TELEMETRY_H
#define HAK_TELEMETRY_H

#include "base.h"
#include "size_class.h"

#define TELEMETRY_MAX_SHARDS 1024
#define TELEMETRY_MAX_THREADS 1024 /* number of rows; row 0 is for threads that have ended */
#define TIER_COUNT 3
#define GHOST_COUNT 9        /* capacities of ghosts (ghosts.h): GHOST_LEAST_SLOTS << 0 to 8 */
#define GHOST_LEAST_SLOTS 16
#define BIG_SIZE_COUNT 12    /* sizes of the BigCache's copies (big_copies.h) */
#define BIG_DELAY_COUNT 10   /* and how long they keep blocks */

struct telemetry_global {
#define HAK_METRIC_GLOBAL(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_tier {
#define HAK_METRIC_TIER(field, ...) _Alignas(CACHE_LINE) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_class {
    _Alignas(CACHE_LINE) uint64_t reserved;
#define HAK_METRIC_CLASS(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_ghost {
#define HAK_METRIC_GHOST(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_class_ghosts {
    _Alignas(CACHE_LINE) struct telemetry_ghost of_capacity[GHOST_COUNT];
};

struct telemetry_big_delay {
#define HAK_METRIC_BIG_DELAY(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_big_size {
#define HAK_METRIC_BIG_SIZE(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
    struct telemetry_big_delay of_delay[BIG_DELAY_COUNT];
};

struct telemetry_big_copies {
    _Alignas(CACHE_LINE) struct telemetry_big_size of_size[BIG_SIZE_COUNT];
};

struct telemetry_shard {
    _Alignas(CACHE_LINE) uint64_t reserved;
#define HAK_METRIC_SHARD(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_thread_class {
#define HAK_METRIC_THREAD_CLASS(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
};

struct telemetry_thread {
    _Alignas(CACHE_LINE) uint64_t reserved;
#define HAK_METRIC_THREAD(field, ...) _Atomic uint64_t field;
#include "telemetry.def"
    struct telemetry_thread_class classes[SIZE_CLASS_COUNT];
};

struct telemetry {
    _Alignas(CACHE_LINE) struct telemetry_global global;
    struct telemetry_tier tiers[TIER_COUNT];
    struct telemetry_class classes[SIZE_CLASS_COUNT];
    struct telemetry_shard shards[TELEMETRY_MAX_SHARDS];
    struct telemetry_thread threads[TELEMETRY_MAX_THREADS];
    /* Both are present once control_show_ghosts has succeeded. */
    struct telemetry_class_ghosts ghosts[SIZE_CLASS_COUNT];
    struct telemetry_big_copies big_copies;
};

/* The allocator's own control block. control.c makes it at start, before any other component runs. */
struct hak_block;
extern struct hak_block control_block;
/* Points into the control block once that exists. */
extern struct telemetry *telemetry;

/* For words with several writers. */
static inline void telemetry_add(_Atomic uint64_t *word, int64_t amount)
{
    atomic_fetch_add_explicit(word, (uint64_t)amount, memory_order_relaxed);
}

/* For words with one writer or under a lock. It needs no locked instruction. */
static inline void telemetry_set(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline uint64_t telemetry_get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void telemetry_bump(_Atomic uint64_t *word, int64_t amount)
{
    telemetry_set(word, telemetry_get(word) + (uint64_t)amount);
}

#endif
