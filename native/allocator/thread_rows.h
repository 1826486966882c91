/* thread_rows.h: which row of the telemetry a thread writes.
 *
 *   row 0        row 1      row 2      row 3      row 4
 *   | retired  | thread a | (free)   | thread b | never used ...
 *     ^ sums of            ^ lowest_free          ^ rows_in_use: what readers look at
 *       those that ended
 *
 * A row is taken if its thread_id is not 0. Only its thread writes it (relaxed). When the thread ends, its counters are
 * added to row 0 and the row is cleared, so that sums never fall. A thread that finds all rows taken writes private
 * memory, which is added to row 0 when it ends. Rows are made present before they are used, because on a full tmpfs the
 * first access would raise SIGBUS.
 *
 * Invariant (thread_rows_is_valid): rows from 1 to below lowest_free are taken; rows from rows_in_use on are
 * free. Lock: rows_lock guards taking, retiring and clearing. */
#ifndef HAK_THREAD_ROWS_H
#define HAK_THREAD_ROWS_H

#include "base.h"
#include "telemetry.h"

/* Returns a zeroed row with thread_id set. If all rows are taken, it is private memory, which *spare keeps for the next
 * time. Returns NULL only if there is no memory for that either. */
struct telemetry_thread *thread_rows_acquire(uint32_t thread_id, struct telemetry_thread **spare);
/* Adds the row's counters to row 0 and frees the row. The thread must have published everything. */
void thread_rows_release(struct telemetry_thread *row);
/* Both are called in a forked child, in which only the thread of `survivor` (or none, if NULL) goes on. */
void thread_rows_reset_locks(void);
void thread_rows_after_fork(struct telemetry_thread *survivor, uint32_t thread_id);

bool thread_rows_is_valid(void);
void thread_rows_acquire_locks(void);
void thread_rows_release_locks(void);

#endif
