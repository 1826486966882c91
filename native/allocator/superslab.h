/* superslab.h: chunks of 2 MiB that are cut into 32 slabs of 64 KiB, their tiers, and their address space.
 *
 *   chunk:  | slab 0 | slab 1 | ... | slab 31 |     free_mask: bit i set = slab i is free
 *   span:   1, 2, 4, 8, 16 slabs, aligned to its size; its first slab's descriptor describes it,
 *           the others point back (head_offset)
 *   big:    a run of whole frames that holds one big block (big_cache.h); has no slabs
 *
 * There is no header inside the 2 MiB: descriptors lie in the registry's segments.
 *
 * A span is looked for in stages, and each stage counts the entries it looked at (ss.acquired_*, ss.scanned_*):
 * the span of the same class that was released last; recycled slabs of at most ss.empty_scan_limit HOT chunks;
 * the chunk that served the class last; the lists of free masks; a new chunk. There is no
 * lock-free list of free slabs: blocks pass between threads in magazines (magazine.h), and one slab serves 64 KiB of
 * them, so this lock is taken rarely and for few instructions.
 *
 * Chunks with free slabs are kept in lists by their largest aligned free run, so that a span is found
 * at once and in the tightest chunk (best fit). HOT chunks (new, or more than ss.drain_percent busy)
 * serve. DRAINING chunks only take frees, until no other chunk can serve and the fullest of them becomes HOT again. FREE
 * chunks serve before DRAINING ones. Those beyond ss.retain_chunks are given back after ss.purge_delay_ms.
 *
 * Invariants (superslab_is_valid): busy slabs = 32 - popcount(free_mask); dirty_mask is a subset of
 * free_mask; tier FREE <=> free_mask is full; a chunk is in exactly one list unless full.
 *
 * Locks: the lock of superslab_lists.h guards chunks, masks, tiers and lists; frames_lock guards address space.
 * The central list (central.h) or the shard (l25_pool.h) that acquired a slab owns its content. */
#ifndef HAK_SUPERSLAB_H
#define HAK_SUPERSLAB_H

#include "base.h"
#include "chunk.h"
#include "registry.h"

/* class_of_slab[heap][(address - range.base) >> 16], up to range.bytes, is the key of the bin to which a thread of that
 * heap frees blocks of the slab at the address: the bin of the size class, or the class's outbox if the slab belongs to
 * another heap and the blocks are smaller than a cache line. The key is 0 if the slab holds no blocks of a size class.
 * The fast path of free reads it. It is written before a block of the slab is handed out and after the last came back. */
extern _Atomic uint16_t *class_of_slab[MAX_HEAPS]; /* NULL: no such heap, or no range */

bool superslab_start(void);

/* Returns a span of span_slabs (1, 2, 4, 8 or 16) with state, class and heap set and no blocks yet, or NULL if there is no
 * memory or ss.max_chunks is reached. */
struct slab *superslab_acquire(const struct actor *actor, unsigned span_slabs, enum slab_state state,
                               unsigned class_index, unsigned heap);
/* As above, but if possible at the start of room_slabs free slabs, so that the span can grow into them. Only for this no
 * chunk is mapped and no DRAINING chunk is taken: spans that never grow are then packed as densely as others. */
struct slab *superslab_acquire_with_room(const struct actor *actor, unsigned span_slabs, unsigned room_slabs,
                                         enum slab_state state, unsigned class_index, unsigned heap);
/* Gives back a span that has been idle since idle_since_ms. No block of it may be in use. */
void superslab_release(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);

/* As superslab_release, for slabs cut off the end of a span that stays in use. The tier stays, as the span may grow again. */
void superslab_release_rest(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);
/* From now on, frees of the slab's blocks take the slow path. */
void superslab_hide_class(struct slab *slab);

/* Makes a span that the user holds longer or shorter where it lies. Returns false if the span is not aligned for the new
 * length, or if the slabs behind it are in use (or, if only_dirty, were never touched). Spans grow in DRAINING chunks,
 * too, because the chunk would not become empty sooner without. The caller sets the slab's new class. */
bool superslab_resize(const struct actor *actor, struct slab *slab, unsigned span_slabs, bool only_dirty,
                      uint32_t now_ms);

/* Gives back slabs and chunks that have been idle for ss.purge_delay_ms (all idle ones if `everything`).
 * Returns the bytes given back. Takes and releases the lock; system calls are made without it. */
size_t superslab_purge(const struct actor *actor, uint32_t now_ms, bool everything);

/* Whether there is more idle memory than may be kept (retention.h). A free that may have caused this asks, holding no
 * lock, and then calls superslab_give_surplus. That gives back a few chunks only, so that no free takes long, and returns
 * the bytes given back. */
bool superslab_has_surplus(void);
/* Forgets most of what was earned, if that was much: all threads but one have ended. */
void superslab_expect_less(void);
size_t superslab_give_surplus(const struct actor *actor, uint32_t now_ms);

/* Gives back those pages of a slab in use whose bits are set, and returns the bits of those that the system took. No lock
 * is needed, but the caller must see to it that meanwhile no thread takes a block on these pages. */
uint64_t superslab_purge_pages(struct slab *slab, uint64_t pages);

/* Maps a chunk of 32 free slabs. It is HOT and registered, but in no list yet. is_for_class tells that blocks of a size
 * class are to lie in it. Returns NULL on failure. */
struct chunk *superslab_map_chunk(const struct actor *actor, bool is_for_class);
/* Maps a zeroed run of whole frames for a big block, aligned to `alignment` (a power of two), and registers it as
 * CHUNK_BIG. Returns NULL on failure. */
struct chunk *superslab_map_big(const struct actor *actor, size_t bytes, size_t alignment);
/* Makes the run longer in place if the frames behind it are free. */
bool superslab_extend_big(struct chunk *chunk, size_t bytes);
/* Gives back the memory and the address space of the run. */
void superslab_unmap_big(const struct actor *actor, struct chunk *chunk);

bool superslab_is_valid(void);
void superslab_acquire_locks(void);
void superslab_release_locks(void);
/* Both are called in a forked child. Slabs that another thread of the parent was purging are free again. */
void superslab_reset_locks(void);
void superslab_after_fork(void);

#endif
