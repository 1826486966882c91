/* superslab_lists.h: the lists of chunks, their tiers and the lock over both, for the files of superslab.h
 * alone. Everything _locked: under that lock. */
#ifndef HAK_SUPERSLAB_LISTS_H
#define HAK_SUPERSLAB_LISTS_H

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "retention.h"
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
uint32_t superslab_chunk_count_locked(void);
/* One of the first FREE chunks that has dirty slabs. NULL: none of them has. */
struct chunk *chunk_dirty_and_empty_locked(void);
/* As superslab_release, of what was behind a span that stays: leaves the tier alone, as the span may grow again. */
void superslab_release_rest(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);
void superslab_add_committed(int64_t slabs);

#endif
