/* lane.c: the threads of a run, and the functions that drivers call. */
#include "lane.h"
#include "latency.h"
#include "processor.h"
#include "session_state.h"
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPINS_PER_YIELD 256u

void *workload_map(struct workload_lane *lane, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    workload_fail(lane, "the system refused %zu bytes for the workload's own state: %s", bytes, strerror(errno));
    return NULL;
}

void workload_unmap(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}

void *workload_share(struct workload_lane *lane, size_t bytes)
{
    pthread_mutex_lock(&session.lock);
    if (session.shared == NULL) {
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) {
            session.shared = memory;
            session.shared_bytes = bytes;
        }
    }
    void *shared = session.shared;
    pthread_mutex_unlock(&session.lock);
    if (shared == NULL)
        workload_fail(lane, "the system refused %zu bytes for what the threads share", bytes);
    return shared;
}

static void publish_operations(struct workload_lane *lane)
{
    lane->operations += lane->granted - lane->countdown;
    lane->granted = lane->countdown;
    atomic_store_explicit(&session.data->rows[lane->index].operations, lane->operations, memory_order_relaxed);
}

void workload_fail(struct workload_lane *lane, const char *format, ...)
{
    char reason[WORKLOAD_ERROR_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    publish_operations(lane);
    pthread_mutex_lock(&session.lock);
    if (session.error[0] == '\0')
        snprintf(session.error, sizeof session.error, "workload %s: %s, in thread %u after %llu operations",
                 lane->workload->name, reason, lane->index, (unsigned long long)lane->operations);
    pthread_cond_signal(&session.to_controller);
    pthread_mutex_unlock(&session.lock);
}

/* Blocks the thread until the command is neither HOLD nor PAUSE. */
static void wait_for_run(void)
{
    pthread_mutex_lock(&session.lock);
    session.waiting++;
    pthread_cond_signal(&session.to_controller);
    while (current_command() == COMMAND_HOLD || current_command() == COMMAND_PAUSE)
        pthread_cond_wait(&session.to_lanes, &session.lock);
    session.waiting--;
    pthread_mutex_unlock(&session.lock);
}

/* Makes the changes of settings that are due, and ends the grant where the next one is. Returns false if a set was
 * refused. */
static bool keep_schedule(struct workload_lane *lane, uint32_t *granted)
{
    char error[WORKLOAD_ERROR_BYTES];
    if (schedule_next() <= lane->operations && schedule_apply(lane->operations, error) != 0) {
        workload_fail(lane, "%s", error);
        return false;
    }
    uint64_t left = schedule_next() - lane->operations;
    *granted = left < *granted ? (uint32_t)left : *granted;
    return true;
}

/* Lets the lane do its next few operations. Returns false if there are none left, or if the run stops. */
static bool grant_operations(struct lane_slot *slot)
{
    if (current_command() == COMMAND_PAUSE)
        wait_for_run();
    if (current_command() >= COMMAND_STOP)
        return false;
    uint32_t interval = slot->lane.workload->checkpoint_operations;
    uint32_t granted = slot->quota < interval ? (uint32_t)slot->quota : interval;
    if (slot->lane.index == 0 && !keep_schedule(&slot->lane, &granted)) /* also for changes at the end */
        return false;
    if (granted == 0)
        return false;
    if (session.is_by_operations)
        slot->quota -= granted;
    slot->lane.granted = slot->lane.countdown = granted;
    return true;
}

bool workload_checkpoint(struct workload_lane *lane)
{
    publish_operations(lane);
    return grant_operations((struct lane_slot *)(void *)lane);
}

bool workload_wait(struct workload_lane *lane)
{
    if (current_command() == COMMAND_PAUSE) {
        publish_operations(lane);
        wait_for_run();
    }
    if (++lane->waits % SPINS_PER_YIELD == 0)
        sched_yield();
    else
        processor_pause();
    return current_command() < COMMAND_STOP;
}

bool workload_rest(struct workload_lane *lane, uint32_t ms)
{
    publish_operations(lane);
    uint64_t until_ns = now_ns() + ms * NS_PER_MS;
    struct timespec until = timespec_of(until_ns);
    pthread_mutex_lock(&session.lock);
    while (current_command() == COMMAND_RUN && now_ns() < until_ns)
        pthread_cond_timedwait(&session.to_lanes, &session.lock, &until);
    pthread_mutex_unlock(&session.lock);
    if (current_command() == COMMAND_PAUSE)
        wait_for_run(); /* a pause ends the rest */
    return current_command() < COMMAND_STOP;
}

uint64_t workload_period(const struct workload_lane *lane, double period_ms)
{
    uint64_t elapsed_ms;
    if (session.is_by_operations)
        elapsed_ms = (lane->operations + lane->granted - lane->countdown) / WORKLOAD_OPERATIONS_PER_MS;
    else
        elapsed_ms = atomic_load_explicit(&session.running_ms, memory_order_relaxed);
    return elapsed_ms / (uint64_t)period_ms;
}

static void join_predecessor(struct lane_slot *slot)
{
    if (slot->has_predecessor)
        pthread_join(slot->predecessor, NULL);
    slot->has_predecessor = false;
}

/* Starts the successor. Returns false if the system refuses. A thread first joins its own predecessor, so
 * that at most two threads of a lane exist, and all are joined. */
static bool hand_over(struct lane_slot *slot)
{
    join_predecessor(slot);
    slot->predecessor = pthread_self();
    slot->has_predecessor = !pthread_equal(pthread_self(), session.caller);
    pthread_t successor;
    int refusal = pthread_create(&successor, NULL, lane_thread, slot);
    if (refusal == 0)
        return true;
    slot->has_predecessor = false;
    workload_fail(&slot->lane, "the system refused a thread: %s", strerror(refusal));
    return false;
}

static void finish_lane(struct lane_slot *slot)
{
    pthread_mutex_lock(&session.lock);
    session.last_end_ns = now_ns();
    session.ended++;
    pthread_cond_signal(&session.to_controller);
    while (current_command() != COMMAND_FINISH)
        pthread_cond_wait(&session.to_lanes, &session.lock);
    pthread_mutex_unlock(&session.lock);
    if (slot->lane.state != NULL)
        slot->lane.workload->finish(&slot->lane);
    if (slot->has_predecessor)
        pthread_join(slot->predecessor, NULL);
    pthread_mutex_lock(&session.lock);
    slot->thread = pthread_self();
    session.finished++;
    pthread_cond_signal(&session.to_controller);
    pthread_mutex_unlock(&session.lock);
}

static enum workload_outcome run_lane(struct workload_lane *lane)
{
    latency_begin(lane->index);
    enum workload_outcome outcome = lane->workload->run(lane);
    latency_end();
    return outcome;
}

void *lane_thread(void *argument)
{
    struct lane_slot *slot = argument;
    struct workload_lane *lane = &slot->lane;
    enum workload_outcome outcome = WORKLOAD_DONE;
    char name[16]; /* the kernel's limit for a thread's name */
    snprintf(name, sizeof name, "%.10s-%u", lane->workload->name, lane->index);
    if (gettid() != getpid()) /* the main thread's name is also the name of the process, and stays */
        pthread_setname_np(pthread_self(), name);
    atomic_store_explicit(&session.data->rows[lane->index].thread_id, (uint64_t)gettid(), memory_order_relaxed);
    if (!slot->is_prepared) {
        slot->is_prepared = true;
        outcome = lane->workload->prepare(lane);
        wait_for_run();
        if (outcome == WORKLOAD_DONE && grant_operations(slot))
            outcome = run_lane(lane);
    } else {
        /* A run of a single lane by operations is repeatable, so the thread before must have given its caches back. */
        if (session.is_by_operations && lane->lane_count == 1)
            join_predecessor(slot);
        outcome = run_lane(lane);
    }
    if (outcome == WORKLOAD_HAND_OVER && hand_over(slot))
        return NULL;
    finish_lane(slot);
    return NULL;
}
