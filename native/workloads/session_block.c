/* session_block.c: descriptors of the control block of a run. */
#include "session_block.h"
#include <stddef.h>

#define BUILD "hakmem-run, " HAK_COMPILER

enum { METRIC_DONE, METRIC_GOAL, METRIC_COUNT = 6 };
/* A replay has these besides. */
enum { METRIC_LIVE = METRIC_COUNT, METRIC_RESIDENT, REPLAY_METRIC_COUNT = 11 };
#define THREAD_AXIS 0

static const struct hak_tunable tunables[] = {
    {.name = "run.state",
     .group = "Run",
     .help = "Pauses, resumes or stops the workload. A stopped one does not start again.",
     .choices = "running,paused,stopping",
     .type = HAK_TYPE_CHOICE,
     .scale = HAK_SCALE_LINEAR,
     .effect = HAK_EFFECT_LIVE,
     .minimum = RUN_STATE_RUNNING,
     .maximum = RUN_STATE_STOPPING,
     .default_value = RUN_STATE_RUNNING},
};

#define ROW(field) offsetof(struct session_data, rows) + offsetof(struct session_row, field)
#define NO_AXES {HAK_NO_AXIS, HAK_NO_AXIS}
#define PER_THREAD .axis = {THREAD_AXIS, HAK_NO_AXIS}, .stride = {sizeof(struct session_row), 0}

static const struct hak_metric metrics[REPLAY_METRIC_COUNT] = {
    [METRIC_DONE] = {.name = "workload.done",
                     .group = "Run",
                     .help = "How far the run is: milliseconds, or operations in a run by operations.",
                     .kind = HAK_METRIC_GAUGE,
                     .axis = NO_AXES,
                     .offset = offsetof(struct session_data, done)},
    [METRIC_GOAL] = {.name = "workload.goal",
                     .group = "Run",
                     .help = "What workload.done will be at the end.",
                     .kind = HAK_METRIC_GAUGE,
                     .axis = NO_AXES,
                     .offset = offsetof(struct session_data, goal)},
    {.name = "workload.progress",
     .group = "Run",
     .help = "Share of the run that is done, 0 to 1.",
     .kind = HAK_METRIC_QUOTIENT,
     .axis = NO_AXES,
     .operand_a = METRIC_DONE,
     .operand_b = METRIC_GOAL},
    {.name = "workload.elapsed_ms",
     .group = "Run",
     .unit = "ms",
     .help = "Time since the start, without pauses.",
     .kind = HAK_METRIC_GAUGE,
     .axis = NO_AXES,
     .offset = offsetof(struct session_data, elapsed_ms)},
    {.name = "workload.thread_id",
     .group = "Run",
     .help = "Kernel thread id of the thread that works on the lane.",
     .kind = HAK_METRIC_GAUGE,
     .fold = HAK_FOLD_MAX,
     .role = HAK_ROLE_THREAD_ID,
     PER_THREAD,
     .offset = ROW(thread_id)},
    {.name = "workload.operations",
     .group = "Run",
     .unit = "operations",
     .help = "Operations of the workload.",
     .chart = "Throughput",
     .kind = HAK_METRIC_COUNTER,
     .fold = HAK_FOLD_SUM,
     .role = HAK_ROLE_OPERATIONS,
     PER_THREAD,
     .offset = ROW(operations)},
    [METRIC_LIVE] = {.name = "replay.live_bytes",
                     .group = "Replay",
                     .unit = "bytes",
                     .help = "What the trace has asked for and not yet freed.",
                     .chart = "Replayed program",
                     .kind = HAK_METRIC_GAUGE,
                     .axis = NO_AXES,
                     .offset = offsetof(struct session_data, live_bytes)},
    [METRIC_RESIDENT] = {.name = "replay.resident_bytes",
                         .group = "Replay",
                         .unit = "bytes",
                         .help = "Anonymous memory in RAM without the replayer's own: the allocator's, and the runner's stacks.",
                         .chart = "Replayed program",
                         .kind = HAK_METRIC_GAUGE,
                         .axis = NO_AXES,
                         .offset = offsetof(struct session_data, resident_bytes)},
    {.name = "replay.fragmentation",
     .group = "Replay",
     .help = "Resident bytes a live byte.", /* not drawn: without bound where little lives */
     .kind = HAK_METRIC_QUOTIENT,
     .axis = NO_AXES,
     .operand_a = METRIC_RESIDENT,
     .operand_b = METRIC_LIVE},
    {.name = "replay.live_share",
     .group = "Replay",
     .help = "Live bytes a resident byte: 1 divided by the fragmentation.",
     .chart = "Replayed program",
     .kind = HAK_METRIC_QUOTIENT,
     .axis = NO_AXES,
     .operand_a = METRIC_LIVE,
     .operand_b = METRIC_RESIDENT},
    {.name = "replay.position_ms",
     .group = "Replay",
     .unit = "ms",
     .help = "How far the replay is in the time of the trace.",
     .chart = "Trace time",
     .kind = HAK_METRIC_GAUGE,
     .axis = NO_AXES,
     .offset = offsetof(struct session_data, position_ms)},
};

int session_block_create(struct hak_block *block, uint32_t threads, bool is_replay, enum run_state state)
{
    const struct hak_axis axes[] = {{.name = "thread", .maximum = WORKLOAD_MAX_THREADS, .count = threads}};
    const double initial = state;
    const struct hak_block_spec spec = {
        .kind = "workload",
        .build = BUILD,
        .tunables = tunables,
        .metrics = metrics,
        .axes = axes,
        .tunable_count = 1,
        .metric_count = is_replay ? REPLAY_METRIC_COUNT : METRIC_COUNT,
        .axis_count = 1,
        .data_bytes = sizeof(struct session_data),
        .event_capacity = 16,
        .access = HAK_ACCESS_WRITE,
        .initial_values = &initial,
    };
    return hak_block_create(block, &spec);
}
