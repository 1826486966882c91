/* session.c: threads, clock and control of a run. A controller thread looks at run.state and the clock
 * every few milliseconds and passes one command word on to the lanes, which load it (relaxed) at every
 * checkpoint. No function here allocates memory, but the C library does for every thread that is created.
 * So the calling thread, which creates the threads, works as lane 0 itself, and no idle thread has caches in
 * the allocator under test. */
#include "session.h"
#include "lane.h"
#include "lane.h"
#include "latency.h"
#include "process_memory.h"
#include "session_state.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define TICK_NS 5000000

struct workload_session session;
static _Atomic bool stop_requested;

void workload_session_stop(void)
{
    atomic_store_explicit(&stop_requested, true, memory_order_relaxed);
}

static void send_command(enum command command)
{
    pthread_mutex_lock(&session.lock);
    atomic_store_explicit(&session.command, command, memory_order_relaxed);
    pthread_cond_broadcast(&session.to_lanes);
    pthread_mutex_unlock(&session.lock);
}

/* Waits for a lane to report, but at most for a tick. Returns how many lanes have ended. */
static uint32_t wait_for_tick(bool *has_failed)
{
    struct timespec until = timespec_of(now_ns() + TICK_NS);
    pthread_mutex_lock(&session.lock);
    pthread_cond_timedwait(&session.to_controller, &session.lock, &until);
    uint32_t ended = session.ended;
    *has_failed = session.error[0] != '\0';
    pthread_mutex_unlock(&session.lock);
    return ended;
}

/* The time until `at_ns` without pauses. */
static uint64_t running_ns(uint64_t at_ns)
{
    uint64_t paused_ns = session.paused_ns;
    if (session.pause_start_ns != 0 && at_ns > session.pause_start_ns)
        paused_ns += at_ns - session.pause_start_ns;
    return at_ns - session.start_ns - paused_ns;
}

static uint64_t count_operations(void)
{
    uint64_t operations = 0;
    for (uint32_t i = 0; i < session.request->threads; i++)
        operations += atomic_load_explicit(&session.data->rows[i].operations, memory_order_relaxed);
    return operations;
}

static void publish_progress(uint64_t elapsed_ns)
{
    struct session_data *data = session.data;
    uint64_t elapsed_ms = elapsed_ns / NS_PER_MS;
    uint64_t goal = atomic_load_explicit(&data->goal, memory_order_relaxed);
    uint64_t done = session.counts_operations ? count_operations() : elapsed_ms;
    atomic_store_explicit(&session.running_ms, elapsed_ms, memory_order_relaxed);
    atomic_store_explicit(&data->elapsed_ms, elapsed_ms, memory_order_relaxed);
    atomic_store_explicit(&data->done, done < goal ? done : goal, memory_order_relaxed);
}

/* Publishes the additional metrics of a replay. The replayer's own memory is subtracted. */
static void publish_measurement(void)
{
    const struct workload_script *script = session.request->workload->script;
    if (script == NULL)
        return;
    struct workload_measurement measurement;
    script->measure(&measurement);
    uint64_t resident_bytes = process_anonymous_bytes();
    resident_bytes -= resident_bytes < measurement.own_bytes ? resident_bytes : measurement.own_bytes;
    atomic_store_explicit(&session.data->live_bytes, measurement.live_bytes, memory_order_relaxed);
    atomic_store_explicit(&session.data->position_ms, measurement.position_ms, memory_order_relaxed);
    atomic_store_explicit(&session.data->resident_bytes, resident_bytes, memory_order_relaxed);
    session.own_bytes = measurement.own_bytes;
}

/* Turns a changed run.state into a command. */
static void adopt_state(void)
{
    uint64_t generation;
    if (atomic_exchange_explicit(&stop_requested, false, memory_order_relaxed)) {
        session.is_stopped = true;
        send_command(COMMAND_STOP);
    }
    if (hak_block_generation(&session.block) == session.generation || current_command() == COMMAND_STOP)
        return;
    if (hak_block_copy_requested(&session.block, session.settings, &generation) != 0)
        return; /* a setter is changing it, and the next tick looks again */
    session.generation = generation;
    double state = session.settings[0];
    if (state == RUN_STATE_STOPPING) {
        session.is_stopped = true;
        send_command(COMMAND_STOP);
    } else if (state == RUN_STATE_PAUSED && current_command() == COMMAND_RUN) {
        session.pause_start_ns = now_ns();
        send_command(COMMAND_PAUSE);
    } else if (state == RUN_STATE_RUNNING && current_command() == COMMAND_PAUSE) {
        session.paused_ns += now_ns() - session.pause_start_ns;
        session.pause_start_ns = 0;
        send_command(COMMAND_RUN);
    }
}

/* Publishes that the state is in force; a pause is in force once every lane waits. */
static void publish_state(void)
{
    pthread_mutex_lock(&session.lock); /* the command is sent already, so a lane that waits goes on waiting */
    bool is_still = session.waiting + session.ended >= session.request->threads;
    pthread_mutex_unlock(&session.lock);
    double state = RUN_STATE_RUNNING;
    if (current_command() == COMMAND_STOP)
        state = RUN_STATE_STOPPING;
    else if (current_command() == COMMAND_PAUSE)
        state = RUN_STATE_PAUSED;
    if (state == RUN_STATE_PAUSED && !is_still)
        return;
    session.settings[0] = state;
    hak_block_publish_effective(&session.block, session.settings, session.generation);
}

static void control_lanes(void)
{
    uint64_t goal_ns = (uint64_t)(session.request->seconds * 1e9);
    uint32_t ended, lane_count = session.request->threads;
    bool has_failed;
    do {
        ended = wait_for_tick(&has_failed);
        adopt_state();
        uint64_t elapsed_ns = running_ns(now_ns());
        publish_progress(elapsed_ns);
        publish_measurement();
        bool is_over = has_failed || (!session.is_by_operations && elapsed_ns >= goal_ns);
        if (is_over && current_command() != COMMAND_STOP)
            send_command(COMMAND_STOP);
        publish_state();
    } while (ended < lane_count);
}

/* --- start and end ---------------------------------------------------------------------------------- */

static int prepare_session(const struct workload_request *request, struct workload_result *result)
{
    memset(&session, 0, sizeof session);
    atomic_store_explicit(&stop_requested, false, memory_order_relaxed);
    session.request = request;
    session.is_by_operations = request->operations != 0;
    const struct workload_script *script = request->workload->script;
    uint64_t goal_operations = script == NULL ? request->operations : script->count_operations(request->parameters);
    session.counts_operations = goal_operations != 0;
    size_t bytes = request->threads * sizeof(struct lane_slot);
    session.slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (session.slots == MAP_FAILED ||
        session_block_create(&session.block, request, session.settings) != 0 ||
        latency_prepare(request->threads) != 0) {
        snprintf(result->error, sizeof result->error, "the system refused memory for the run: %s", strerror(errno));
        return -1;
    }
    if (request->starts_paused && !session.block.path[0]) { /* no process could resume it */
        int used = snprintf(result->error, sizeof result->error, "no control block: ");
        hak_block_explain(&session.block, result->error + used, sizeof result->error - (size_t)used);
        hak_block_retire(&session.block);
        return -1;
    }
    if (schedule_open(request->changes, request->change_count, request->threads, session.block.path,
                      request->allocator_kind, result->error) != 0) {
        hak_block_retire(&session.block);
        return -1;
    }
    session.data = session_block_data(&session.block);
    session.generation = hak_block_generation(&session.block);
    atomic_store_explicit(&session.data->goal,
                          goal_operations != 0 ? goal_operations : (uint64_t)(request->seconds * 1e3),
                          memory_order_relaxed);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&session.lock, NULL);
    pthread_cond_init(&session.to_controller, &monotonic);
    pthread_cond_init(&session.to_lanes, &monotonic);
    return 0;
}

static void prepare_lane(uint32_t index)
{
    const struct workload_request *request = session.request;
    struct lane_slot *slot = &session.slots[index];
    uint64_t share = request->operations / request->threads + (index < request->operations % request->threads);
    slot->quota = session.is_by_operations ? share : UINT64_MAX;
    slot->lane.workload = request->workload;
    slot->lane.parameters = request->parameters;
    slot->lane.index = index;
    slot->lane.lane_count = request->threads;
    /* The start states of lanes lie far apart in the generator's period, even if the seeds are close. */
    slot->lane.random = workload_mix(workload_mix(request->seed) + index + 1);
}

/* Starts all lanes except the caller's. Lanes that cannot start count as ended. */
static void create_lanes(void)
{
    uint32_t lane_count = session.request->threads;
    for (uint32_t i = 1; i < lane_count; i++) {
        struct lane_slot *slot = &session.slots[i];
        int refusal = pthread_create(&slot->thread, NULL, lane_thread, slot);
        if (refusal == 0)
            continue;
        workload_fail(&slot->lane, "the system refused a thread: %s", strerror(refusal));
        for (uint32_t k = i; k < lane_count; k++)
            session.slots[k].thread = session.caller; /* means that there is no thread to join */
        pthread_mutex_lock(&session.lock);
        session.ended += lane_count - i;
        session.finished += lane_count - i;
        pthread_mutex_unlock(&session.lock);
        return;
    }
}

/* Waits until every lane is prepared, and starts them. */
static void start_lanes(void)
{
    pthread_mutex_lock(&session.lock);
    while (session.waiting + session.ended < session.request->threads)
        pthread_cond_wait(&session.to_controller, &session.lock);
    pthread_mutex_unlock(&session.lock);
    session.start_ns = session.last_end_ns = now_ns();
    if (session.request->starts_paused)
        session.pause_start_ns = session.start_ns;
    send_command(session.request->starts_paused ? COMMAND_PAUSE : COMMAND_RUN);
}

static void finish_lanes(void)
{
    send_command(COMMAND_FINISH);
    pthread_mutex_lock(&session.lock);
    while (session.finished < session.request->threads)
        pthread_cond_wait(&session.to_controller, &session.lock);
    pthread_mutex_unlock(&session.lock);
    for (uint32_t i = 0; i < session.request->threads; i++)
        if (!pthread_equal(session.slots[i].thread, session.caller))
            pthread_join(session.slots[i].thread, NULL);
}

static void *controller_thread(void *unused)
{
    (void)unused;
    struct workload_result *result = session.result;
    start_lanes();
    if (session.on_ready != NULL)
        session.on_ready(session.block.path);
    control_lanes();
    uint64_t elapsed_ns = running_ns(session.last_end_ns);
    publish_progress(elapsed_ns);
    result->elapsed_s = (double)elapsed_ns / 1e9;
    result->operations = count_operations();
    result->peak_resident_bytes = process_peak_resident_bytes() - session.own_bytes;
    finish_lanes();
    for (uint32_t i = 0; i < session.request->threads; i++)
        result->checksum += workload_mix(session.slots[i].lane.checksum + i);
    if (session.error[0] != '\0')
        memcpy(result->error, session.error, sizeof result->error);
    else
        result->status = session.is_stopped ? WORKLOAD_STATUS_STOPPED : WORKLOAD_STATUS_COMPLETED;
    return NULL;
}

void workload_session_run(const struct workload_request *request, struct workload_result *result,
                          void (*on_ready)(const char *path))
{
    memset(result, 0, sizeof *result);
    result->status = WORKLOAD_STATUS_FAILED;
    if (prepare_session(request, result) != 0)
        return;
    session.result = result;
    session.on_ready = on_ready;
    session.caller = pthread_self();
    for (uint32_t i = 0; i < request->threads; i++)
        prepare_lane(i);
    pthread_t controller;
    int refusal = pthread_create(&controller, NULL, controller_thread, NULL);
    if (refusal == 0) {
        create_lanes();
        lane_thread(&session.slots[0]); /* returns when the lane ends or a successor takes it over */
        pthread_join(controller, NULL);
    } else {
        snprintf(result->error, sizeof result->error, "the system refused a thread: %s", strerror(refusal));
    }
    if (session.shared != NULL)
        munmap(session.shared, session.shared_bytes);
    munmap(session.slots, request->threads * sizeof(struct lane_slot));
    schedule_close();
    hak_block_retire(&session.block);
}
