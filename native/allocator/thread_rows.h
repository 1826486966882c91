/* thread_rows.h: which row of the telemetry a thread writes.
 *
 *   row 0        row 1      row 2      row 3      row 4
 *   | retired  | thread a | (free)   | thread b | never used ...
 *     ^ sums of            ^ lowest_free          ^ rows_in_use: what readers look at
 *       those that ended
 *
 * A row is taken by its thread_id; its thread alone writes it (relaxed), until the thread's end adds its
 * counters to row 0 and clears it: sums never fall. A thread that finds all rows taken writes private
 * memory and joins row 0 when it ends. Rows are made present before they are used, for a full tmpfs
 * would be SIGBUS.
 *
 * Invariant (thread_rows_is_valid): no row from 1 on below lowest_free is free; none from rows_in_use on is
 * taken. Lock: rows_lock, over taking, retiring and clearing. */
#ifndef HAK_THREAD_ROWS_H
#define HAK_THREAD_ROWS_H

#include "base.h"
#include "telemetry.h"

/* A zeroed row with thread_id set. `spare`: where the caller keeps private memory for the case above;
 * NULL only if that cannot be had either. */
struct telemetry_thread *thread_rows_acquire(uint32_t thread_id, struct telemetry_thread **spare);
/* Adds counters to row 0 and frees the row. The thread must have published everything. */
void thread_rows_release(struct telemetry_thread *row);
/* In a forked child: only `survivor` (or none) goes on. */
void thread_rows_reset_locks(void);
void thread_rows_after_fork(struct telemetry_thread *survivor, uint32_t thread_id);

bool thread_rows_is_valid(void);
void thread_rows_acquire_locks(void);
void thread_rows_release_locks(void);

#endif
