/* l25_pool.h: blocks above 32 KiB and up to 1 MiB, in 5 classes (64, 128, 256, 512 KiB, 1 MiB). Each block is a span of
 * slabs. Freed blocks wait in the lists of shards, one for each class. Threads use different shards, so that they seldom
 * wait for each other.
 *
 *   shard 0: lock, list[5], operations, contended     a thread starts at hash(thread) & (shards - 1),
 *   shard 1: ...                                      on a failed trylock goes to the next
 *   (reserved: 1024; in use: a power of two, published by store-release)
 *
 * The shards double when a window of l25.window_ms has more than l25.load_per_shard allocations a shard on average, or
 * more than l25.contention_percent failed trylocks. They double at once, but only once in a window, and a new window
 * begins. Counters only count the current window. Blocks of shards beyond the number in use stay reachable: an
 * allocation that finds its shard empty looks through all shards that hold blocks of the class (l25_holders), takes a
 * few, and acquires a new span only if there are none.
 *
 * Blocks that have been idle for ss.purge_delay_ms go back to their chunk: frees in their shard give back a few at a
 * time, and l25_pool_purge the rest.
 *
 * Locks: l25 resize, then l25 shards in ascending order. Only a fork holds two shards at once. */
#ifndef HAK_L25_POOL_H
#define HAK_L25_POOL_H

#include "base.h"
#include "superslab.h"

bool l25_pool_start(void);

/* Returns NULL if `bytes` or `alignment` is above 1 MiB, or if there is no memory. */
void *l25_pool_allocate(const struct actor *actor, size_t bytes, size_t alignment, bool *is_zeroed);
/* For a block that has outgrown its place and is likely to grow again. It is placed at the start of a longer free block,
 * if there is one, whose rest stays free. Otherwise, if there is no free block of its own class, it is placed where 1 MiB
 * is free in a mapped chunk. So it next grows in place, without a copy. */
void *l25_pool_allocate_growing(const struct actor *actor, size_t bytes);
/* Returns false if the block is not at the user, that is, for a double free. */
bool l25_pool_free(const struct actor *actor, struct slab *slab);
/* Makes a block at the user fit `bytes` where it lies: longer over free slabs behind it (superslab_resize), or shorter,
 * and then the rest is released at once. Returns false if that is not possible and nothing changed. */
bool l25_pool_resize(const struct actor *actor, struct slab *slab, size_t bytes);
bool l25_pool_is_at_user(const struct slab *slab);
size_t l25_pool_block_bytes(const struct slab *slab);
/* What the user requested, rounded up to pages. A program that looks at malloc_usable_size to fill or to count what it has
 * would otherwise take 64 KiB for a request of 33 KiB. */
size_t l25_pool_usable_bytes(const struct slab *slab);
/* Notes another request for the same block, which holds as much. */
void l25_pool_note_request(struct slab *slab, size_t bytes);

size_t l25_pool_purge(const struct actor *actor, uint32_t now_ms, bool everything);
void l25_pool_settings_changed(const struct actor *actor);

bool l25_pool_is_valid(void);
void l25_pool_acquire_locks(void);
void l25_pool_release_locks(void);
void l25_pool_reset_locks(void);

#endif
