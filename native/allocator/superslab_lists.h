/* superslab_lists.h: the lists of chunks, their tiers and the lock over both, for the files of superslab.h
 * alone. Everything _locked: under that lock. */
#ifndef HAK_SUPERSLAB_LISTS_H
#define HAK_SUPERSLAB_LISTS_H

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "telemetry.h"

/* On a line of its own: class_of_slab, which every free reads, lies near. */
extern struct superslab_shared {
    _Alignas(CACHE_LINE) struct lock lock;
    uint32_t tier_counts[TIER_COUNT]; /* chunks, under the lock */
    struct event_sum reused_slabs;    /* SS_REUSE */
} superslab_shared;

/* Out of the list it is in, if any; into the one of its tier and largest free run, unless it is being purged. */
void chunk_unlist_locked(struct chunk *chunk);
void chunk_list_locked(struct chunk *chunk);
void chunk_set_tier_locked(const struct actor *actor, struct chunk *chunk, enum tier tier, enum event_cause cause);
/* After slabs came back: demotes, but keeps the last HOT chunk. */
void chunk_update_tier_locked(const struct actor *actor, struct chunk *chunk);
uint32_t superslab_chunk_count_locked(void);
/* As superslab_release, of what was behind a span that stays: leaves the tier alone, as the span may grow again. */
void superslab_release_rest(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);
void superslab_add_committed(int64_t slabs);

#endif
