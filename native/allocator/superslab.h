/* superslab.h: chunks of 2 MiB cut into 32 slabs of 64 KiB, their tiers, and address space for them.
 *
 *   chunk:  | slab 0 | slab 1 | ... | slab 31 |     free_mask: bit i set = slab i is free
 *   span:   1, 2, 4, 8, 16 slabs, aligned to its size; its first slab's descriptor describes it,
 *           the others point back (head_offset)
 *   big:    a run of whole frames that holds one big block (big_cache.h); has no slabs
 *
 * There is no header inside the 2 MiB: descriptors live in the registry's segments.
 *
 * A span is looked for in stages, each counted with the entries it looked at (ss.acquired_*, ss.scanned_*):
 * the span of the same class released last; recycled EMPTY slabs (of HOT chunks, ss.empty_scan_limit of
 * them); the chunk that served the class last; the lists of free masks; a new chunk. There is no
 * lock-free list of free slabs: blocks pass between threads in magazines (magazine.h), and one slab serves 64 KiB of
 * them, so this lock is taken rarely and for few instructions.
 *
 * Chunks with free slabs are kept in lists by their largest aligned free run, so that a span is found
 * at once and from the tightest chunk (best fit). HOT chunks (more than ss.drain_percent busy, or
 * new) serve; DRAINING ones only take frees, until pressure makes the fullest of them HOT again; FREE
 * ones are reused first and given back after ss.purge_delay_ms, all but ss.retain_chunks.
 *
 * Invariants (superslab_is_valid): busy slabs = 32 - popcount(free_mask); dirty_mask is a subset of
 * free_mask; tier FREE <=> free_mask is full; a chunk is in exactly one list unless full.
 *
 * Locks: the lock of superslab_lists.h guards chunks, masks, tiers and lists; frames_lock guards address space.
 * The owner of a slab's content is the class (central.h) or the shard (l25_pool.h) that acquired it. */
#ifndef HAK_SUPERSLAB_H
#define HAK_SUPERSLAB_H

#include "base.h"
#include "chunk.h"
#include "registry.h"

/* class_of_slab[heap][(address - range.base) >> 16], as far as range.bytes says: for threads of that heap, the key of the bin for blocks of
 * the slab there: of its size class, or of the class's outbox if the slab is another heap's; 0 for anything that
 * is not a block of a size class. What the fast path of free looks at. Written before a block escapes and
 * after the last came back. */
extern _Atomic uint16_t *class_of_slab[MAX_HEAPS]; /* NULL: no such heap, or no range */

bool superslab_start(void);

/* A span of span_slabs (1, 2, 4, 8, 16), state and class set, `used`, lists and bump cleared, or NULL:
 * no memory, or ss.max_chunks reached. now_ms: the caller's clock (time or operations). */
struct slab *superslab_acquire(const struct actor *actor, unsigned span_slabs, enum slab_state state,
                               unsigned class_index, unsigned heap);
/* As above, but if possible at the start of room_slabs free slabs, so that the span can grow into them. Only for this no
 * chunk is mapped and no DRAINING chunk is taken: spans that never grow are then packed as densely as others. */
struct slab *superslab_acquire_with_room(const struct actor *actor, unsigned span_slabs, unsigned room_slabs,
                                         enum slab_state state, unsigned class_index, unsigned heap);
/* Gives a span back that was idle since then; no block of it may be out. */
void superslab_release(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);

/* As superslab_release, for slabs cut off the end of a span that stays in use. The tier stays, as the span may grow again. */
void superslab_release_rest(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms);
/* Frees of its blocks take the slow path from now on. */
void superslab_hide_class(struct slab *slab);

/* Makes a span at the user longer or shorter where it lies; false: it is not aligned for that, or what is
 * behind it is in use (or, if only_dirty, was never touched). In a DRAINING chunk,
 * too: it would not empty sooner. The caller tells the slab's class. */
bool superslab_resize(const struct actor *actor, struct slab *slab, unsigned span_slabs, bool only_dirty,
                      uint32_t now_ms);

/* Gives back what has been idle for ss.purge_delay_ms (all idle memory if `everything`).
 * Returns the bytes given back. Takes and drops the lock; system calls are made without it. */
size_t superslab_purge(const struct actor *actor, uint32_t now_ms, bool everything);

/* Idle memory beyond what the past has shown to be of use (retention.h). A free that may have made some asks, and
 * gives a part of it back, a few chunks, so that no free takes long. With no lock held. Returns the bytes. */
bool superslab_has_surplus(void);
/* Forgets half of what was earned, if there is so much idle memory that it matters. */
void superslab_expect_less(void);
size_t superslab_give_surplus(const struct actor *actor, uint32_t now_ms);

/* Gives pages of a slab in use back, by their bits; returns those that were. No lock is needed: it is the
 * caller's that nobody takes a block of them meanwhile. */
uint64_t superslab_purge_pages(struct slab *slab, uint64_t pages);

/* A chunk of 32 free slabs, HOT, registered, in no list yet; NULL on failure. is_for_class: wanted for blocks of
 * a size class. */
struct chunk *superslab_map_chunk(const struct actor *actor, bool is_for_class);
/* A zeroed run of whole frames for a big block, aligned to `alignment` (a power of two), registered as
 * CHUNK_BIG; NULL on failure. */
struct chunk *superslab_map_big(const struct actor *actor, size_t bytes, size_t alignment);
/* Makes it longer in place if the frames behind it are free. */
bool superslab_extend_big(struct chunk *chunk, size_t bytes);
/* Returns its memory and its address space. */
void superslab_unmap_big(const struct actor *actor, struct chunk *chunk);

bool superslab_is_valid(void);
void superslab_acquire_locks(void);
void superslab_release_locks(void);
/* In the child: chunks that another thread of the parent was purging are whole again. */
void superslab_reset_locks(void);
void superslab_after_fork(void);

#endif
