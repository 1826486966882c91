/* central.h: the central lists, from which thread caches refill: for each heap and size class, slabs that have
 * free blocks. All tiny and mid-size blocks come from them.
 *
 *   central[heap][class]:  lock | PARTIAL -> slab <-> slab ...        | pending -> slab -> slab
 *                               | COLD    -> slab <-> slab ...             (remote bits: blocks freed by
 *                               | PURGING -> slab ...                       threads of other heaps)
 *                                  (free bits, bump: blocks to take)
 *
 * There are twice as many heaps as processors (at most 8), so that a thread that is interrupted while it holds a lock
 * seldom stops others. A thread keeps the heap it was given at birth: the lowest of those with the fewest threads
 * (lifecycle.c). A slab belongs to one heap and class until its last block has come back, so whoever holds a block of it
 * reads heap and class plainly.
 *
 * A block freed under another heap is not pushed under that heap's lock: blocks are grouped by slab (remote.batch). The
 * count of each group is added to the slab's remote_count, and then the remote bits of its blocks are set. A thread that
 * raises the count from 0 links the slab into its central's pending list. Only a drain takes it out again, by lowering the
 * count to 0, so a slab is linked once. A central
 * is drained when its partial list is empty or, if remote.drain_enable, when more than remote.drain_threshold blocks are
 * pending. If no thread of the heap comes to drain, because it waits or has ended, the thread that frees does it.
 *
 * If no block of a slab was taken or given back for ss.purge_delay_ms, the pages on which no block in use lies are given
 * back to the system, even while other pages of the slab are in use. Otherwise each of the few blocks that outlive a burst
 * would keep 64 KiB. Such a slab is COLD, and serves when no other slab does. The system is called without the lock.
 * Meanwhile the slab is PURGING: its blocks may come back, but none is taken.
 *
 * Invariants (central_is_valid): slab.used counts its blocks at users, in caches, in flight and with
 * a remote bit; a slab is in a list <=> it has a free or never used block; it has purged pages <=> it is COLD; a slab
 * whose `used` becomes 0 is released. */
#ifndef HAK_CENTRAL_H
#define HAK_CENTRAL_H

#include "base.h"
#include "superslab.h"
#include "telemetry.h"

void central_start(void);
unsigned central_heap_count(void);
/* One more heap, which no thread has: that of the slabs with sampled blocks (sampler.h). Frees of these blocks take the slow
 * path, which gives them back at once. */
unsigned central_sampled_heap(void);

/* Takes up to `wanted` blocks and returns how many, 0 if there is no memory. Popping them from the end of out[] gives
 * ascending addresses. `row` counts remote frees; threads may share it. *fresh_slabs is raised by the number of
 * acquired slabs whose pages were not resident, that is, by how much the process grew. */
unsigned central_take(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                      void **out, unsigned wanted, uint32_t *fresh_slabs);
/* Gives back blocks of one class that may belong to any heap. Overwrites blocks[], of at most 65536. */
void central_give(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                  void **blocks, unsigned count);
/* The same, but each block is a free block of its own heap at once and does not wait for a drain. */
void central_give_home(const struct actor *actor, unsigned class_index, void **blocks, unsigned count);
/* Counts blocks that leave for the threads, or come back (negative), in telemetry. */
void central_count_out(unsigned class_index, int64_t blocks);
/* Drains every central list of every heap, so that idle slabs can be released. */
void central_drain_all(const struct actor *actor);

/* Gives idle pages of slabs in use back, if `everything` without waiting for ss.purge_delay_ms. Returns the bytes given
 * back. Takes and releases locks. */
size_t central_purge(const struct actor *actor, uint32_t now_ms, bool everything);

/* Called while a thread takes many fresh slabs. If much of what is committed lies free in slabs in use, as after a change of
 * the sizes that the program asks for, idle pages go back without waiting. The program keeps them if it soon takes them
 * again (retention.h). */
void central_purge_sparse(const struct actor *actor);
/* Called before a slab serves again whose pages had gone back. */
void central_note_purged_serve(const struct actor *actor, const struct slab *slab);

/* Called when settings were adopted: the clock may be another one now. */
void central_settings_changed(void);

bool central_is_valid(void);
void central_acquire_locks(void);
void central_release_locks(void);
void central_reset_locks(void);
void central_reset_walk(void); /* resets the walk lock of central_purge.c */
/* In a forked child, after superslab_after_fork: slabs that another thread of the parent was purging serve again. */
void central_after_fork(void);

#endif
