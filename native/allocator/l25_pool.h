/* l25_pool.h: blocks above 32 KiB up to 1 MiB, in 5 classes (64, 128, 256, 512 KiB, 1 MiB), each a span
 * of slabs; freed ones wait in lists, one a class in each shard, so that threads do not meet.
 *
 *   shard 0: lock, list[5], operations, contended     a thread starts at hash(thread) & (shards - 1),
 *   shard 1: ...                                      on a failed trylock goes to the next
 *   (reserved: 1024; in use: a power of two, published by store-release)
 *
 * The shards double, at most once a window, when there are more than l25.load_per_shard allocations a shard on
 * average within l25.window_ms, or more than l25.contention_percent failed trylocks. That happens at once, and the
 * window starts anew. Counters are of the current window only. Blocks of shards beyond the number in
 * use stay reachable: an allocation that finds its shard empty looks through all that hold something
 * (a bitmap tells which), takes a few, and only then asks for a new span.
 *
 * Blocks idle for ss.purge_delay_ms go back to their chunk: a few at a time by frees in their shard,
 * the rest by l25_pool_purge.
 *
 * Locks: l25 resize, then l25 shards in ascending order; never two shards at once but for fork. */
#ifndef HAK_L25_POOL_H
#define HAK_L25_POOL_H

#include "base.h"
#include "superslab.h"

bool l25_pool_start(void);

/* NULL: above 1 MiB, or no memory. */
void *l25_pool_allocate(const struct actor *actor, size_t bytes, size_t alignment, bool *is_zeroed);
/* For a block that has outgrown its place and is likely to grow again. It is placed at the start of a longer free block,
 * if there is one: the rest is then free for it to grow into. Otherwise, if no free block of its own class waits, it is
 * placed where 1 MiB is free in a chunk that is mapped. So it next grows in place, without a copy. */
void *l25_pool_allocate_growing(const struct actor *actor, size_t bytes);
/* False: the block is not at the user (double free). */
bool l25_pool_free(const struct actor *actor, struct slab *slab);
/* Makes a block at the user fit `bytes` where it lies: longer over free slabs behind it (superslab_resize),
 * or shorter, the rest going back at once. False: it cannot, and nothing changed. */
bool l25_pool_resize(const struct actor *actor, struct slab *slab, size_t bytes);
bool l25_pool_is_at_user(const struct slab *slab);
size_t l25_pool_block_bytes(const struct slab *slab);

size_t l25_pool_purge(const struct actor *actor, uint32_t now_ms, bool everything);
void l25_pool_settings_changed(const struct actor *actor);

bool l25_pool_is_valid(void);
void l25_pool_acquire_locks(void);
void l25_pool_release_locks(void);
void l25_pool_reset_locks(void);

#endif
