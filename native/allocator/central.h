/* central.h: the shared pool behind the thread caches: for each heap and size class, slabs that have
 * free blocks. The only backend of tiny and mid blocks.
 *
 *   central[heap][class]:  lock | PARTIAL -> slab <-> slab ...        | pending -> slab -> slab
 *                               | COLD    -> slab <-> slab ...             (remote_head: blocks freed by
 *                               | PURGING -> slab ...                       threads of other heaps)
 *                                  (block bits, bump: blocks to take)
 *
 * There are twice as many heaps as processors (at most 8), so that a thread that is interrupted while it holds a lock
 * seldom stops others. A thread keeps the heap it was given at birth: the lowest of those with the fewest threads
 * (lifecycle.c). A slab belongs to one heap and class until its last block has come back, so whoever holds a block of it
 * reads heap and class plainly.
 *
 * A block freed under another heap is not pushed under that heap's lock: blocks are grouped by slab (remote.batch), and
 * each group is put on the slab's remote list by one CAS. A thread that finds the list empty links the slab into its
 * central's pending list. Only a drain takes it out again, and only through that list, so a slab is linked once. A central
 * is drained when its partial list is empty or, if remote.drain_enable, when more than remote.drain_threshold blocks are
 * pending. If no thread of the heap comes to drain, because it waits or has ended, the thread that frees does it.
 *
 * If a slab was not touched for ss.purge_delay_ms, those of its pages that have no block in use are given back, also
 * while other pages of the slab are in use. Otherwise each of a burst's few survivors would keep 64 KiB. Such a slab is
 * COLD, and serves when no other does. The system is called without the lock: meanwhile the slab is PURGING; blocks of
 * it may come back, and none is taken.
 *
 * Invariants (central_is_valid): slab.used = blocks of it at users, in caches, in flight or on its
 * remote list; a slab is in a list <=> it has a free or never used block; purged pages <=> it is COLD; used == 0
 * returns it. */
#ifndef HAK_CENTRAL_H
#define HAK_CENTRAL_H

#include "base.h"
#include "superslab.h"
#include "telemetry.h"

void central_start(void);
unsigned central_heap_count(void);

/* Takes up to `wanted` blocks; 0: no memory. out[] is filled so that popping from its end gives
 * ascending addresses. `row` counts remote frees; may be shared. Slabs acquired for it whose pages
 * were not resident are added to *fresh_slabs: by them the process grew. */
unsigned central_take(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                      void **out, unsigned wanted, uint32_t *fresh_slabs);
/* Gives blocks of one class back, of any heap. */
void central_give(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                  void *const *blocks, unsigned count);
/* The same, to each block's own heap at once: nothing waits for a thread of that heap to come by. blocks[] is used
 * up. */
void central_give_home(const struct actor *actor, unsigned class_index, void **blocks, unsigned count);
/* Telemetry of blocks that leave for the threads, or come back (negative). */
void central_count_out(unsigned class_index, int64_t blocks);
/* Drains what other heaps freed, in every class of every heap, so that idle slabs can go. */
void central_drain_all(const struct actor *actor);

/* Gives idle pages of slabs in use back (all of them if `everything`); returns the bytes. Takes and drops
 * locks. */
size_t central_purge(const struct actor *actor, uint32_t now_ms, bool everything);

/* Settings were adopted; the clock may be another. */
void central_settings_changed(void);

bool central_is_valid(void);
void central_acquire_locks(void);
void central_release_locks(void);
void central_reset_locks(void);
void central_reset_walk(void); /* the lock of the walk that purges */
/* In the child: slabs that another thread of the parent was purging are in use again. After superslab_after_fork. */
void central_after_fork(void);

#endif
