/* session_block.h: the control block of a run. It has the throughput of every thread, the progress, the tunable run.state
 * (so that pause, resume and stop are sets like any other), and the workload, threads, seed and parameters. */
#ifndef HAK_WORKLOAD_SESSION_BLOCK_H
#define HAK_WORKLOAD_SESSION_BLOCK_H

#include "request.h"
#include "writer.h"

enum { SESSION_MOST_TUNABLES = 4 + WORKLOAD_MAX_PARAMETERS };
enum run_state { RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_STOPPING };

/* A lane's row, which only the lane's thread writes. */
struct session_row {
    _Alignas(64) _Atomic uint64_t thread_id, operations;
};

/* The DATA section. The controller writes the gauges. */
struct session_data {
    _Alignas(64) _Atomic uint64_t elapsed_ms, done, goal;
    _Atomic uint64_t live_bytes, position_ms, resident_bytes; /* only for a replay */
    struct session_row rows[WORKLOAD_MAX_THREADS];
};

/* Makes and publishes the control block. Returns 0, or -1 if even private memory is refused. Fills `values` with the values
 * of all tunables: values[0] is the run's state, and the others do not change. */
int session_block_create(struct hak_block *block, const struct workload_request *request, double *values);

static inline struct session_data *session_block_data(const struct hak_block *block)
{
    return (struct session_data *)(void *)block->data;
}

#endif
