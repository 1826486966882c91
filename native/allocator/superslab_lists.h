/* superslab_lists.h: the lists of chunks, their tiers and the lock over both. Only superslab*.c includes it.
 * A function whose name ends in _locked is called under that lock. */
#ifndef HAK_SUPERSLAB_LISTS_H
#define HAK_SUPERSLAB_LISTS_H

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "retention.h"
#include "slab_runs.h"
#include "telemetry.h"

/* It has a cache line of its own, because class_of_slab, which every free reads, lies near. */
extern struct superslab_shared {
    _Alignas(CACHE_LINE) struct lock lock;
    uint32_t tier_counts[TIER_COUNT]; /* number of chunks; under the lock */
    struct event_sum reused_slabs;    /* for SS_REUSE; under the lock */
    struct retention retention;       /* how many dirty slabs may be kept */
    _Atomic uint32_t dirty_slabs;     /* in all dirty masks; written under the lock, read by any thread; relaxed */
    _Atomic uint32_t surplus_slabs;   /* if there are more dirty slabs, a free looks for some to give back; relaxed */
} superslab_shared;

/* Chunks with free slabs, by tier and largest aligned free run; so all FREE chunks are in [TIER_FREE][5]. */
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

/* Takes a chunk out of its list, if it is in one; puts it into the list of its tier and largest free run, unless it is
 * full or being purged. */
void chunk_unlist_locked(struct chunk *chunk);
void chunk_list_locked(struct chunk *chunk);
void chunk_set_tier_locked(const struct actor *actor, struct chunk *chunk, enum tier tier, enum event_cause cause);
/* Called after slabs came back: makes a chunk FREE or DRAINING where it should be, but never the last HOT chunk DRAINING. */
void chunk_update_tier_locked(const struct actor *actor, struct chunk *chunk);
/* The number of mapped chunks, summed over the tiers. */
uint32_t superslab_chunk_count_locked(void);
/* Returns one of the first FREE chunks that has dirty slabs, or NULL if none of these has any. */
struct chunk *chunk_dirty_and_empty_locked(void);
void superslab_add_committed(int64_t slabs);

#endif
