/* session_state.h: the state that the lanes (lane.c) and the controller (session.c) of a run share. */
#ifndef HAK_WORKLOAD_SESSION_STATE_H
#define HAK_WORKLOAD_SESSION_STATE_H

#include "request.h"
#include "session_block.h"
#include <pthread.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

enum command { COMMAND_HOLD, COMMAND_RUN, COMMAND_PAUSE, COMMAND_STOP, COMMAND_FINISH };

struct lane_slot {
    struct workload_lane lane; /* the first member, because a pointer to the lane is converted to its slot */
    uint64_t quota;            /* operations still to do; UINT64_MAX in a run by seconds */
    pthread_t thread, predecessor;
    bool is_prepared, has_predecessor;
};

struct workload_session {
    /* Read by lanes at checkpoints, written by the controller. */
    _Alignas(128) _Atomic int command;
    _Atomic uint64_t running_ms;
    bool is_by_operations;
    struct session_data *data;

    _Alignas(128) pthread_mutex_t lock; /* guards the members below, up to `error` */
    pthread_cond_t to_controller, to_lanes;
    uint32_t waiting, ended, finished; /* lanes that are prepared or paused; that ran to the end; that have finished */
    uint64_t last_end_ns;
    void *shared; /* workload_share's, and its size */
    size_t shared_bytes;
    char error[WORKLOAD_ERROR_BYTES];

    const struct workload_request *request;
    pthread_t caller; /* works as lane 0; no thread may join it */

    /* The controller writes the members below. */
    struct workload_result *result;
    void (*on_ready)(const char *path);
    struct hak_block block;
    double settings[SESSION_MOST_TUNABLES]; /* values of the control block's tunables */
    uint64_t generation, start_ns, pause_start_ns, paused_ns;
    bool is_stopped, counts_operations; /* counts_operations: progress is measured in operations, not in time */
    uint64_t own_bytes; /* resident memory that belongs to the workload */
    struct lane_slot *slots;
};

extern struct workload_session session;

static inline enum command current_command(void)
{
    return (enum command)atomic_load_explicit(&session.command, memory_order_relaxed);
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct timespec timespec_of(uint64_t at_ns)
{
    return (struct timespec){.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)};
}

#endif
