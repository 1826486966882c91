/* central_lists.h: a heap's slabs of one class and the lists that hold them (drawing in central.h).
 * A function whose name ends in _locked is called under the lock of that central list. */
#ifndef HAK_CENTRAL_LISTS_H
#define HAK_CENTRAL_LISTS_H

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "size_class.h"

struct central {
    _Alignas(CACHE_LINE) struct lock lock;
    struct slab *lists[SLAB_LIST_COUNT]; /* under the lock, like `next` and `previous` of the slabs in them */
    struct slab *cursor; /* where the walk of central_purge.c goes on */
    bool is_taken_from; /* since the last walk for sparse classes; under the lock */
    _Atomic bool is_in_use; /* set with the first slab, for good; relaxed. Walks leave the others out, and their pages alone */
    struct event_sum drained_blocks; /* REMOTE_DRAIN; under the lock */
    /* Other heaps write these two, so they have a cache line of their own. */
    _Alignas(CACHE_LINE) _Atomic(struct slab *) pending; /* push CAS release, take-all exchange acquire */
    _Atomic uint32_t pending_blocks;                     /* relaxed, a hint */
};

extern struct central centrals[MAX_HEAPS + 1][SIZE_CLASS_COUNT];

/* Whether every block has come back. A block that another heap's threads freed twice is counted once too often: its slab
 * waits for the drain that finds that out, because until then it is linked. */
static inline bool central_is_empty_locked(const struct slab *slab)
{
    return slab->used == 0 && atomic_load_explicit(&slab->remote_count, memory_order_relaxed) == 0;
}

void central_list_locked(struct central *central, struct slab *slab, enum slab_list list);
void central_unlist_locked(struct central *central, struct slab *slab);
/* Called after blocks came back to a slab: lists the slab, or releases it if no block of it is in use. */
void central_settle_locked(const struct actor *actor, struct central *central, struct slab *slab);
/* Notes which pages of the slab are given back, and counts them in telemetry. */
void central_set_purged_pages(struct slab *slab, uint64_t pages);

#endif
