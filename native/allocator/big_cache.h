/* big_cache.h: blocks above 1 MiB, which are runs of whole frames. Freed ones are kept in a hash table by
 * (size class, call site), from which the same call site's next allocation takes them.
 *
 *   buckets (room for 1,048,576 heads, used: a power of two)      lists: one a stripe, oldest
 *   [h0] -> chunk -> chunk        stripe = bucket & 63               first; LFU looks at uses
 *   [h1]
 *
 * 8 size classes by capacity: (1,2] (2,4] (4,8] ... MiB; the last has no upper end. When there are more
 * entries than big.load_factor x buckets, the buckets double; nothing is ever evicted because two keys share a bucket.
 * When there have been far too many buckets for a second, they halve, down to big.initial_buckets.
 *
 * A request takes a cached block of its class and call site, or else one of its class, or else one of the class above.
 * The block is at least as large and has at most twice as many frames; of several, the one whose touched pages suit
 * best is taken. The user may use the requested bytes, rounded up to pages. An entry leaves for good when a free leaves
 * more than may be kept (retention.h), when it has been idle for ss.purge_delay_ms (0: it is not kept at all), or when a
 * limit is reached and big.policy chooses it. Then its pages go back to the system, and its frames are free. So
 * everything in the cache is memory that has not been purged yet.
 *
 * A block does not start at the start of its first frame, but on a cache line of the first page that is chosen by the
 * frame's number (its color, at most 4032 bytes). It has no color if it would then need another frame, or if an alignment
 * above a line was requested. Blocks that all started at the start of a page would compete for the same sets of every
 * cache, page by page and row by row.
 *
 * With ghost.enable, big_ghosts.h sees every block that is taken and given, and counts what other sizes would do.
 *
 * Locks are those of big_table.h; a hit takes one stripe's lock. No lock is held across a system call. */
#ifndef HAK_BIG_CACHE_H
#define HAK_BIG_CACHE_H

#include "base.h"
#include "superslab.h"

#define BIG_SURPLUS_BYTES ((size_t)1 << 20) /* a block that shrinks by at least so much gives the pages back */

bool big_cache_start(void);

/* Returns a block of at least `bytes`, aligned to `alignment` (a power of two), or NULL. */
void *big_cache_allocate(const struct actor *actor, size_t bytes, size_t alignment, uint64_t call_site, bool *is_zeroed);
/* Returns false if the chunk's block is not at the user, that is, for a double free. */
bool big_cache_free(const struct actor *actor, struct chunk *chunk);
bool big_cache_is_at_user(const struct chunk *chunk);
/* How many bytes the user may use (malloc_usable_size). */
size_t big_cache_block_bytes(const struct chunk *chunk);
/* Changes the size of a block at the user, in place or by moving its pages, never by copying. Returns the block, which may
 * lie elsewhere but has the same color, or NULL if neither works and nothing changed. If it was moved, the caller still
 * has the old address space, and gives it back by big_cache_leave. */
void *big_cache_resize(const struct actor *actor, struct chunk *chunk, size_t bytes);
void big_cache_leave(const struct actor *actor, struct chunk *chunk);

/* Gives back entries that have been idle for ss.purge_delay_ms (all of them if `everything`). Returns the bytes. */
size_t big_cache_purge(const struct actor *actor, uint32_t now_ms, bool everything);
/* Brings limits, buckets and hash function in line with new settings. */
void big_cache_settings_changed(const struct actor *actor);

bool big_cache_is_valid(void);
void big_cache_acquire_locks(void);
void big_cache_release_locks(void);
void big_cache_reset_locks(void);

#endif
