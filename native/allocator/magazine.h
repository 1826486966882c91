/* magazine.h: the second level of the thread caches: for each size class, blocks that one thread's cache
 * gave up and another's may want, as an array of pointers. Blocks pass from thread to thread here without
 * being touched: a free in one thread and the allocation in another share no line but the array's.
 *
 *     bins of threads  --put: the older part of a full bin-->  [ p p p p p p p . . . . ]
 *                      <-take: for an empty bin------------              ^ fill
 *
 * A bin of `capacity` slots puts blocks here up to a fill of MAGAZINE_BINS * capacity; what is above goes
 * to the central lists. So the magazine follows the bins' capacities and has no setting of its own.
 *
 * Blocks below a cache line stay with their heap (outbox.h): each heap has a magazine of its own for their classes.
 *
 * Blocks that nobody took since the last upkeep (as many as the lowest fill) go to the central lists at the next one,
 * so that slabs of idle blocks become empty.
 *
 * Each magazine has a lock, taken after those of thread rows and before central's, and held while pointers are
 * copied. To their slab, blocks in here are in use; telemetry does not count them as `out`.
 * Invariant (magazine_is_valid): lowest <= fill <= MAGAZINE_MAX_BLOCKS; every block is of the class. */
#ifndef HAK_MAGAZINE_H
#define HAK_MAGAZINE_H

#include "central.h"
#include "settings.h"

#define MAGAZINE_BINS 2 /* a refill and a flush of half a bin each find room and blocks */
#define MAGAZINE_MAX_BLOCKS (MAGAZINE_BINS * TLS_MOST_SLOTS)

/* Takes up to `wanted` blocks, those put last. */
unsigned magazine_take(unsigned heap, unsigned class_index, void **out, unsigned wanted);
/* Keeps the last of blocks[0..count), as far as the fill stays within `limit`; how many were not kept. */
unsigned magazine_put(unsigned heap, unsigned class_index, void *const *blocks, unsigned count, unsigned limit);

/* Gives the central lists what was not taken since the last call, or everything. */
void magazine_age(const struct actor *actor, bool is_everything);

bool magazine_is_valid(void);
void magazine_acquire_locks(void);
void magazine_release_locks(void);
void magazine_reset_locks(void);

#endif
