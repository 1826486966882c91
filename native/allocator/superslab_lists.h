/* superslab_lists.h: the lists of chunks, their tiers and the lock over both, for the files of superslab.h
 * alone. A function whose name ends in _locked is called under that lock. */
#ifndef HAK_SUPERSLAB_LISTS_H
#define HAK_SUPERSLAB_LISTS_H

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "retention.h"
#include "slab_runs.h"
#include "telemetry.h"

/* On a line of its own: class_of_slab, which every free reads, lies near. */
extern struct superslab_shared {
    _Alignas(CACHE_LINE) struct lock lock;
    uint32_t tier_counts[TIER_COUNT]; /* chunks, under the lock */
    struct event_sum reused_slabs;    /* SS_REUSE */
    struct retention retention;       /* of dirty slabs */
    _Atomic uint32_t dirty_slabs;     /* in all dirty masks; written under the lock; relaxed, others may look */
    _Atomic uint32_t surplus_slabs;   /* at more dirty ones than this a free looks for some to give back; relaxed */
} superslab_shared;

/* Chunks with free slabs, by tier and largest aligned free run; FREE ones stand in [TIER_FREE][5]. */
extern struct chunk *chunk_lists[TIER_COUNT][RUN_ORDERS];

static inline unsigned chunk_busy_slabs(const struct chunk *chunk)
{
    return SLABS_PER_CHUNK - (unsigned)__builtin_popcount(chunk->free_mask);
}

static inline void superslab_count_dirty_locked(int slabs)
{
    uint32_t dirty = atomic_load_explicit(&superslab_shared.dirty_slabs, memory_order_relaxed);
    atomic_store_explicit(&superslab_shared.dirty_slabs, dirty + (uint32_t)slabs, memory_order_relaxed);
}

/* Out of the list it is in, if any; into the one of its tier and largest free run, unless it is being purged. */
void chunk_unlist_locked(struct chunk *chunk);
void chunk_list_locked(struct chunk *chunk);
void chunk_set_tier_locked(const struct actor *actor, struct chunk *chunk, enum tier tier, enum event_cause cause);
/* After slabs came back: demotes, but keeps the last HOT chunk. */
void chunk_update_tier_locked(const struct actor *actor, struct chunk *chunk);
/* Chunks mapped, by the tiers' counts. */
uint32_t superslab_chunk_count_locked(void);
/* One of the first FREE chunks that has dirty slabs. NULL: none of them has. */
struct chunk *chunk_dirty_and_empty_locked(void);
void superslab_add_committed(int64_t slabs);

#endif
