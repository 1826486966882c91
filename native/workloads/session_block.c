/* session_block.c: descriptors of the control block of a run. */
#include "session_block.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BUILD "hakmem-run, " HAK_COMPILER

enum { METRIC_DONE, METRIC_GOAL, METRIC_COUNT = 6 };
/* A replay has these metrics in addition. */
enum { METRIC_LIVE = METRIC_COUNT, METRIC_RESIDENT, REPLAY_METRIC_COUNT = 11 };
#define THREAD_AXIS 0

enum { TUNABLE_STATE, TUNABLE_WORKLOAD, TUNABLE_THREADS, TUNABLE_SEED, TUNABLE_PARAMETERS };

/* What the run does is described by tunables that take effect at start. A text is a tunable with a single choice. */
static const struct hak_tunable tunables[TUNABLE_PARAMETERS] = {
    [TUNABLE_STATE] = {.name = "run.state",
                       .group = "Run",
                       .help = "Pauses, resumes or stops the workload. A stopped one does not start again.",
                       .choices = "running,paused,stopping",
                       .type = HAK_TYPE_CHOICE,
                       .effect = HAK_EFFECT_LIVE,
                       .minimum = RUN_STATE_RUNNING,
                       .maximum = RUN_STATE_STOPPING,
                       .default_value = RUN_STATE_RUNNING},
    [TUNABLE_WORKLOAD] = {.name = "run.workload",
                          .group = "Run",
                          .help = "The workload that runs.",
                          .type = HAK_TYPE_CHOICE,
                          .effect = HAK_EFFECT_START},
    [TUNABLE_THREADS] = {.name = "run.threads",
                         .group = "Run",
                         .help = "Threads that run at the same time.",
                         .type = HAK_TYPE_INT,
                         .effect = HAK_EFFECT_START,
                         .minimum = 1,
                         .maximum = WORKLOAD_MAX_THREADS,
                         .default_value = 1},
    [TUNABLE_SEED] = {.name = "run.seed",
                      .group = "Run",
                      .help = "Seed of the random numbers.",
                      .type = HAK_TYPE_CHOICE,
                      .effect = HAK_EFFECT_START},
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
     .help = "Resident bytes a live byte.", /* not drawn, because it has no bound when there are few live bytes */
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

/* Describes the request by tunables and values. Returns how many tunables there are. */
static uint32_t describe_work(const struct workload_request *request, struct hak_tunable *list, double *values)
{
    const struct workload *workload = request->workload;
    memcpy(list, tunables, sizeof tunables);
    values[TUNABLE_STATE] = request->starts_paused ? RUN_STATE_PAUSED : RUN_STATE_RUNNING;
    snprintf(list[TUNABLE_WORKLOAD].choices, sizeof list->choices, "%s", workload->name);
    values[TUNABLE_THREADS] = request->threads;
    snprintf(list[TUNABLE_SEED].choices, sizeof list->choices, "%" PRIu64, request->seed);
    for (uint32_t i = 0; i < workload->parameter_count; i++) {
        const struct workload_parameter *parameter = &workload->parameters[i];
        struct hak_tunable *tunable = &list[TUNABLE_PARAMETERS + i];
        *tunable = (struct hak_tunable){.group = "Parameters",
                                        .type = HAK_TYPE_INT,
                                        .effect = HAK_EFFECT_START,
                                        .minimum = parameter->minimum,
                                        .maximum = parameter->maximum,
                                        .default_value = parameter->default_value};
        snprintf(tunable->name, sizeof tunable->name, "parameter.%s", parameter->name);
        snprintf(tunable->unit, sizeof tunable->unit, "%s", parameter->unit);
        snprintf(tunable->help, sizeof tunable->help, "%s", parameter->help);
        values[TUNABLE_PARAMETERS + i] = request->parameters[i];
    }
    return TUNABLE_PARAMETERS + workload->parameter_count;
}

int session_block_create(struct hak_block *block, const struct workload_request *request, double *values)
{
    const struct hak_axis axes[] = {
        {.name = "thread", .maximum = WORKLOAD_MAX_THREADS, .count = request->threads}};
    struct hak_tunable list[SESSION_MOST_TUNABLES];
    const struct hak_block_spec spec = {
        .kind = "workload",
        .build = BUILD,
        .tunables = list,
        .metrics = metrics,
        .axes = axes,
        .tunable_count = describe_work(request, list, values),
        .metric_count = request->workload->script != NULL ? REPLAY_METRIC_COUNT : METRIC_COUNT,
        .axis_count = 1,
        .data_bytes = sizeof(struct session_data),
        .event_capacity = 16,
        .access = HAK_ACCESS_WRITE,
        .initial_values = values,
    };
    return hak_block_create(block, &spec);
}
