/* magazine.h: the second level of the thread caches: for each size class, an array of pointers to blocks that one
 * thread's cache flushed and that another's may take. Blocks pass from thread to thread without being touched: a free in
 * one thread and the allocation in another share no cache line except the array's.
 *
 *     bins of threads  --put: the older part of a full bin-->  [ p p p p p p p . . . . ]
 *                      <-take: for an empty bin------------              ^ fill
 *
 * A bin of `capacity` slots puts blocks here up to a fill of MAGAZINE_BINS * capacity; blocks beyond that go
 * to the central lists. So the magazine follows the bins' capacities and has no setting of its own.
 *
 * Blocks below a cache line stay with their heap (outbox.h): for their classes each heap has a magazine of its own.
 *
 * Each upkeep gives the blocks that no thread took since the last one (as many as the lowest fill) to the central lists,
 * so that slabs of idle blocks become empty.
 *
 * Each magazine has a lock, which is taken after those of thread rows and before central's, and held while pointers are
 * copied. A slab counts its blocks in a magazine as used; telemetry does not count them as `out`.
 * Invariant (magazine_is_valid): lowest <= fill <= MAGAZINE_MAX_BLOCKS; every block belongs to the class. */
#ifndef HAK_MAGAZINE_H
#define HAK_MAGAZINE_H

#include "central.h"
#include "settings.h"

#define MAGAZINE_BINS 2 /* so that a flush of half a bin finds room, and a refill of half a bin finds blocks */
#define MAGAZINE_MAX_BLOCKS (MAGAZINE_BINS * TLS_MOST_SLOTS)

/* Takes up to `wanted` blocks, the most recently put ones, and returns how many. */
unsigned magazine_take(unsigned heap, unsigned class_index, void **out, unsigned wanted);
/* Puts as many of the last of blocks[0..count) as the fill stays within `limit`. Returns how many it did not put: those
 * at the start of blocks[]. */
unsigned magazine_put(unsigned heap, unsigned class_index, void *const *blocks, unsigned count, unsigned limit);

/* Gives the central lists the blocks that were not taken since the last call, or all blocks. */
void magazine_age(const struct actor *actor, bool is_everything);

bool magazine_is_valid(void);
void magazine_acquire_locks(void);
void magazine_release_locks(void);
void magazine_reset_locks(void);

#endif
