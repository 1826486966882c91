/* thread_rows.h: which row of the telemetry a thread writes. Row 0 collects the counters of threads
 * that ended, so that sums never fall. A thread that finds all rows taken writes private memory and
 * joins row 0 when it ends. */
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
void thread_rows_after_fork(struct telemetry_thread *survivor, uint32_t thread_id);

void thread_rows_acquire_locks(void);
void thread_rows_release_locks(void);

#endif
