/* agent_helper.c: the thread that serves an agent's block. It sleeps in the block's futex until a reader looks or sets, does
 * what was asked, measures, and sleeps again: without a reader it never runs. While a lease
 * holds, it also wakes when the lease would lapse, so the program goes back without the holder.
 *
 * It is an ordinary thread, as the allocator's functions need one, with every signal blocked. It holds no lock. Its table
 * of descriptors is its own, and empty: the program can close none that the helper has open for a moment, nor expect the
 * number of one to be free; and what the program closes is closed.
 *
 * A process ends with its last thread, and none of ours must be that: once the main thread has left by pthread_exit, a
 * further thread, the watcher, looks ten times a second whether the program has any left, and ends the process as its last
 * thread would. It shares the program's descriptors, for what the C library writes then. If another thread than the
 * main one started the agent, nobody says when the main one leaves: then the watcher looks once a second from the start.
 *
 * A thread's user, groups and capabilities are its own. The C library changes user and groups in every thread, and
 * aborts the process if the system allows that to one thread and refuses it to another. A program that means to have one
 * thread changes capabilities in that one alone (libcap), so the helper's would differ. Hence our threads end before
 * such a call, and new ones begin after it: a new thread has all of its maker's rights, and no others.
 *
 * A child of fork has no helper. Its own is started once fork has returned there, not by a fork handler, and waits a
 * moment before it makes the child's block: a child that ends or becomes another program costs a thread and no file. */
#include "agent.h"

#include "system_call.h"
#include "system_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_BYTES = 256 * 1024,
    MOST_THREADS = 16,
    LONG_SAMPLE_NS = 1000 * 1000, /* of processor time; such a one has at most 1 % of a core */
    REST_FACTOR = 99
};

static pthread_key_t main_key; /* its destructor runs when the main thread leaves by pthread_exit */
static bool main_key_is_made;  /* by who starts helpers */

/* Our threads. `life` is held while one is made, and from helpers_stop to helpers_resume. */
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static struct own_thread {
    void *(*run)(void *argument);
    void *argument;
    pthread_t id;
    _Atomic bool has_ended; /* release: its last act; acquire: who joins it */
} threads[MOST_THREADS];      /* under `life` */
static _Atomic int thread_count; /* relaxed: written under `life`; the watcher reads it */
static _Atomic uint32_t is_to_end; /* relaxed, a futex: whether our threads shall end */
static __thread bool is_own;

static int count_threads(void)
{
    return atomic_load_explicit(&thread_count, memory_order_relaxed);
}

static void *run_thread(void *argument)
{
    struct own_thread *own = argument;
    is_own = true;
    own->run(own->argument);
    atomic_store_explicit(&own->has_ended, true, memory_order_release);
    return NULL;
}

static bool create_thread(struct own_thread *own)
{
    pthread_attr_t attributes;
    sigset_t all, former;
    bool is_made = false;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, STACK_BYTES); /* refused where thread data is larger: the default */
    atomic_store_explicit(&own->has_ended, false, memory_order_relaxed);
    if (pthread_sigmask(SIG_BLOCK, &all, &former) == 0) {
        is_made = pthread_create(&own->id, &attributes, run_thread, own) == 0;
        pthread_sigmask(SIG_SETMASK, &former, NULL);
    }
    pthread_attr_destroy(&attributes);
    return is_made;
}

static bool start_thread(void *(*run)(void *), void *argument)
{
    bool is_made = false;
    pthread_mutex_lock(&life);
    int count = count_threads();
    if (count < MOST_THREADS) {
        threads[count].run = run;
        threads[count].argument = argument;
        is_made = create_thread(&threads[count]);
        atomic_store_explicit(&thread_count, count + is_made, memory_order_relaxed);
    }
    pthread_mutex_unlock(&life);
    return is_made;
}

static struct timespec child_delay = {.tv_nsec = 20 * 1000 * 1000};
static struct timespec lonely_period = {.tv_nsec = 100 * 1000 * 1000}, untold_period = {.tv_sec = 1};

static bool shall_end(void)
{
    return atomic_load_explicit(&is_to_end, memory_order_relaxed) != 0;
}

/* Returns early if our threads shall end. */
static void wait(const struct timespec *time)
{
    SYSTEM_CALL(SYS_futex, &is_to_end, FUTEX_WAIT_PRIVATE, 0, time);
}

/* A field of /proc/self/stat, after the name of the program; "" if it cannot be read. */
enum { STAT_LINE_BYTES = 1024, STAT_STATE = 3, STAT_THREADS = 20, STAT_RESIDENT_PAGES = 24 };
static const char *read_stat(char line[STAT_LINE_BYTES], int number)
{
    *line = 0;
    long descriptor = SYSTEM_CALL(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return line;
    long length = SYSTEM_CALL(SYS_read, descriptor, line, STAT_LINE_BYTES - 1);
    SYSTEM_CALL(SYS_close, descriptor);
    line[length > 0 ? length : 0] = 0;
    const char *cursor = strrchr(line, ')');
    for (int field = 2; cursor && field < number; field++)
        cursor = strchr(cursor + 1, ' ');
    return cursor ? cursor + 1 : "";
}

static double resident_bytes(void)
{
    char line[STAT_LINE_BYTES];
    return (double)(atoll(read_stat(line, STAT_RESIDENT_PAGES)) * getpagesize());
}

/* The system counts a main thread that has left as one, and shows it as a zombie. */
static bool is_alone(void)
{
    char line[STAT_LINE_BYTES];
    return *read_stat(line, STAT_STATE) == 'Z' &&
           atoi(read_stat(line, STAT_THREADS)) == 1 + count_threads();
}

static void *watch(void *period)
{
    SYSTEM_CALL(SYS_prctl, PR_SET_NAME, "workbench-watch");
    for (; !shall_end(); wait(period))
        if (is_alone())
            exit(0); /* as the C library does when its last thread has ended */
    return NULL;
}

static void note_end_of_main(void *unused)
{
    (void)unused;
    start_thread(watch, &lonely_period);
}

static int set(struct agent *agent, uint32_t index, double before, double after)
{
    bool is_action = agent->is_action[index];
    double resident = is_action ? resident_bytes() : 0;
    int error = agent->allocator->set(agent->setting[index], after);
    if (error)
        agent_append_event(agent, AGENT_EVENT_REFUSED, index, before, after, error);
    else if (is_action)
        agent_append_event(agent, AGENT_EVENT_ACTION, index, resident, resident_bytes(), 0);
    else
        agent_append_event(agent, AGENT_EVENT_SET, index, before, after, 0);
    return error;
}

/* Gives the allocator what was asked for and is not so yet, in the order of the table. */
static void adopt(struct agent *agent)
{
    double values[AGENT_MOST_SETTINGS];
    uint64_t generation;
    if (hak_block_generation(&agent->block) == agent->generation ||
        hak_block_copy_requested(&agent->block, values, &generation) != 0)
        return;
    for (uint32_t i = 0; i < agent->setting_count; i++) {
        double now = agent_read(agent, i);
        if (values[i] == now)
            continue;
        if (set(agent, i, now, values[i]) == 0)
            agent->effective[i] = values[i]; /* all that can be told without a getter */
    }
    agent->generation = generation;
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* What a reader sees: settings as the allocator has them now, and metrics unless the last ones took long. */
static void answer(struct agent *agent, bool may_measure)
{
    struct agent_words *words = (void *)agent->block.data;
    for (uint32_t i = 0; i < agent->setting_count; i++)
        agent->effective[i] = agent_read(agent, i);
    hak_block_publish_effective(&agent->block, agent->effective, agent->generation);
    if (may_measure)
        agent->allocator->measure(words->own);
    store(&words->adopted, agent->generation);
    store(&words->busy_ns, agent->former_busy_ns + system_clock_ns(CLOCK_THREAD_CPUTIME_ID));
    hak_block_answer(&agent->block);
}

static void serve(struct agent *agent)
{
    uint64_t next_ns = 0;
    while (!shall_end()) {
        hak_block_note_lapse(&agent->block);
        adopt(agent);
        uint64_t now_ns = system_clock_ns(CLOCK_MONOTONIC), busy_ns = system_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        bool may_measure = now_ns >= next_ns;
        answer(agent, may_measure);
        busy_ns = system_clock_ns(CLOCK_THREAD_CPUTIME_ID) - busy_ns;
        if (may_measure)
            next_ns = busy_ns > LONG_SAMPLE_NS ? now_ns + busy_ns * REST_FACTOR : 0;
        if (!shall_end())
            hak_block_wait(&agent->block, agent->generation);
    }
    agent->former_busy_ns += system_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void *run(void *argument)
{
    struct agent *agent = argument;
    SYSTEM_CALL(SYS_close_range, 0, UINT_MAX, CLOSE_RANGE_UNSHARE); /* before Linux 5.9 it shares the program's */
    SYSTEM_CALL(SYS_prctl, PR_SET_NAME, "workbench-agent");
    if (agent->is_child) {
        wait(&child_delay);
        if (shall_end())
            return NULL;
        const struct hak_range used = {0, agent_data_bytes(agent)};
        hak_block_after_fork(&agent->block, &used, 1, 1);
        agent->is_child = false;
    }
    store(&((struct agent_words *)(void *)agent->block.data)->thread_id, (uint64_t)SYSTEM_CALL(SYS_gettid));
    serve(agent);
    return NULL;
}

bool helper_start(struct agent *agent)
{
    if (count_threads() == 0) {
        if (!main_key_is_made)
            main_key_is_made = pthread_key_create(&main_key, note_end_of_main) == 0;
        bool is_main = SYSTEM_CALL(SYS_gettid) == SYSTEM_CALL(SYS_getpid);
        if (!main_key_is_made || !is_main || pthread_setspecific(main_key, agent) != 0)
            start_thread(watch, &untold_period);
    }
    return start_thread(run, agent);
}

/* A thread that was about to sleep may miss the first call that would wake it. */
static void join_thread(struct own_thread *own)
{
    static const struct timespec pause = {.tv_nsec = 50 * 1000};
    for (;;) {
        SYSTEM_CALL(SYS_futex, &is_to_end, FUTEX_WAKE_PRIVATE, INT_MAX);
        if (own->run == run)
            hak_block_wake(&((struct agent *)own->argument)->block);
        if (atomic_load_explicit(&own->has_ended, memory_order_acquire))
            break;
        SYSTEM_CALL(SYS_nanosleep, &pause, NULL);
    }
    pthread_join(own->id, NULL);
}

bool helpers_stop(void)
{
    int errno_before = errno, cancel_state;
    if (is_own || count_threads() == 0)
        return false;
    pthread_mutex_lock(&life);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state); /* the program's call is no cancellation point */
    atomic_store_explicit(&is_to_end, 1, memory_order_relaxed);
    for (int i = 0; i < count_threads(); i++)
        join_thread(&threads[i]);
    atomic_store_explicit(&is_to_end, 0, memory_order_relaxed);
    pthread_setcancelstate(cancel_state, NULL);
    errno = errno_before;
    return true;
}

void helpers_resume(void)
{
    int errno_before = errno, kept = 0;
    for (int i = 0; i < count_threads(); i++) {
        struct own_thread *own = &threads[kept];
        own->run = threads[i].run;
        own->argument = threads[i].argument;
        if (create_thread(own))
            kept++;
        else if (own->run == run)
            hak_block_retire(&((struct agent *)own->argument)->block);
    }
    atomic_store_explicit(&thread_count, kept, memory_order_relaxed);
    pthread_mutex_unlock(&life);
    errno = errno_before;
}

void helper_forget(void)
{
    life = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_store_explicit(&is_to_end, 0, memory_order_relaxed);
    atomic_store_explicit(&thread_count, 0, memory_order_relaxed);
}
