/* agent_helper.c: the thread that serves an agent's block. It sleeps in the block's futex until a reader looks or sets, does
 * what was asked, measures, and sleeps again: without a reader it never runs.
 *
 * It is an ordinary thread, as the allocator's functions need one, with every signal blocked. It holds no descriptor
 * and no lock. A process ends with its last thread, and this one must not be that: once the main thread has left by
 * pthread_exit, the helper looks ten times a second whether it is alone, and ends the process as its last thread would.
 * If another thread than the main one started the agent, nobody says when the main one leaves: then the helper looks
 * once a second.
 *
 * A child of fork has no helper. Its own is started once fork has returned there, not by a fork handler, and waits a
 * moment before it makes the child's block: a child that ends or becomes another program costs a thread and no file. */
#include "agent.h"

#include "system_call.h"
#include "system_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK_BYTES = 256 * 1024,
    CHILD_DELAY_NS = 20 * 1000 * 1000,
    LONELY_PERIOD_NS = 100 * 1000 * 1000,
    UNTOLD_PERIOD_NS = 999 * 1000 * 1000,
    LONG_SAMPLE_NS = 1000 * 1000, /* of processor time; such a one has at most 1 % of a core */
    REST_FACTOR = 99
};

static pthread_key_t main_key;   /* its destructor runs when the main thread leaves by pthread_exit */
static bool main_key_is_made;    /* by who starts helpers */
static _Atomic uint64_t look_ns; /* how often a helper looks whether it is alone, 0: never; relaxed */
static _Atomic int helper_count; /* written by who starts helpers; relaxed */

static void note_end_of_main(void *agent)
{
    atomic_store_explicit(&look_ns, LONELY_PERIOD_NS, memory_order_relaxed);
    hak_block_wake(&((const struct agent *)agent)->block);
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
           atoi(read_stat(line, STAT_THREADS)) == 1 + atomic_load_explicit(&helper_count, memory_order_relaxed);
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
    store(&words->busy_ns, system_clock_ns(CLOCK_THREAD_CPUTIME_ID));
    hak_block_answer(&agent->block);
}

static void serve(struct agent *agent)
{
    uint64_t next_ns = 0;
    for (;;) {
        adopt(agent);
        uint64_t now_ns = system_clock_ns(CLOCK_MONOTONIC), busy_ns = system_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        bool may_measure = now_ns >= next_ns;
        answer(agent, may_measure);
        busy_ns = system_clock_ns(CLOCK_THREAD_CPUTIME_ID) - busy_ns;
        if (may_measure)
            next_ns = busy_ns > LONG_SAMPLE_NS ? now_ns + busy_ns * REST_FACTOR : 0;
        uint64_t period_ns = atomic_load_explicit(&look_ns, memory_order_relaxed);
        if (period_ns != 0 && is_alone())
            exit(0); /* as the C library does when its last thread has ended */
        hak_block_wait(&agent->block, agent->generation, period_ns);
    }
}

static void *run(void *argument)
{
    struct agent *agent = argument;
    SYSTEM_CALL(SYS_prctl, PR_SET_NAME, "workbench-agent");
    if (agent->is_child) {
        struct timespec delay = {.tv_nsec = CHILD_DELAY_NS};
        SYSTEM_CALL(SYS_nanosleep, &delay, NULL);
        const struct hak_range used = {0, agent_data_bytes(agent)};
        hak_block_after_fork(&agent->block, &used, 1, 1);
    }
    store(&((struct agent_words *)(void *)agent->block.data)->thread_id, (uint64_t)SYSTEM_CALL(SYS_gettid));
    serve(agent);
    return NULL;
}

void helper_start(struct agent *agent)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, former;
    if (atomic_load_explicit(&helper_count, memory_order_relaxed) == 0) {
        if (!main_key_is_made)
            main_key_is_made = pthread_key_create(&main_key, note_end_of_main) == 0;
        bool is_main = SYSTEM_CALL(SYS_gettid) == SYSTEM_CALL(SYS_getpid);
        if (!main_key_is_made || !is_main || pthread_setspecific(main_key, agent) != 0)
            atomic_store_explicit(&look_ns, UNTOLD_PERIOD_NS, memory_order_relaxed);
    }
    if (pthread_attr_init(&attributes) != 0)
        return;
    sigfillset(&all);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES); /* refused where thread data is larger: the default */
    if (pthread_sigmask(SIG_BLOCK, &all, &former) == 0) {
        int made = pthread_create(&thread, &attributes, run, agent) == 0;
        atomic_fetch_add_explicit(&helper_count, made, memory_order_relaxed);
        pthread_sigmask(SIG_SETMASK, &former, NULL);
    }
    pthread_attr_destroy(&attributes);
}

void helper_forget(void)
{
    atomic_store_explicit(&helper_count, 0, memory_order_relaxed);
    atomic_store_explicit(&look_ns, 0, memory_order_relaxed);
}
