/* agent.h: publishes the control block of an allocator that is not ours, from inside the process that uses it.
 *
 *   find     which object malloc comes from, and the symbols of allocators
 *   <name>   one allocator: its table <name>.def, and how its own functions read and set
 *   agent    one block for each allocator that is found; the life of a process: start, fork, end
 *   process  (agent_process.c) the calls of the C library by which a preloaded agent starts by itself
 *   helper   (agent_helper.c) the thread of a block: sleeps until a reader looks, sets what was asked for, measures
 *
 * The library defines no malloc, so its place among preloads does not matter.
 *
 * Preloaded, it starts just before main, unless HAKMEM_AGENT=on-demand: then it is loaded, and has neither block nor
 * thread until somebody calls
 *
 *     const char *hak_agent_start(void);
 *
 * which is also how a library that was loaded by dlopen into a running program is started; dlopen alone starts
 * nothing. It returns "" or lines of text for a person: why an allocator has no block, or what its block cannot do.
 * A further call returns the same text and does nothing, except in a child of fork: there it makes the child's block
 * and helper. What a debugger does, in any thread:
 *
 *     start = dlsym(RTLD_DEFAULT, "hak_agent_start");        it was preloaded, or loaded before
 *     if (!start)
 *         start = dlsym(dlopen(path of libworkbench-agent.so, RTLD_NOW | RTLD_GLOBAL), "hak_agent_start");
 *     text = start();
 *
 * The thread must hold no lock of the allocator's or the loader's (a stop at the entry of malloc proves it), and have
 * 32 KiB of stack. The other threads must run meanwhile. The library writes nothing to the program's standard error
 * then, and is not unloaded. The program's calls of fork do not pass a library that was loaded late, so a child has
 * no agent until it is asked for there, too. */
#ifndef HAK_AGENT_H
#define HAK_AGENT_H

#include "writer.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>

enum { AGENT_MOST_SETTINGS = 32 };

/* What a getter returns in place of a value. */
#define AGENT_ABSENT (-INFINITY)    /* this build of the allocator has no such setting */
#define AGENT_WRITE_ONLY INFINITY   /* it can be set, but not read */

/* The words of DATA that every agent has; an allocator's own follow. One writer, the helper; relaxed. */
struct agent_words {
    _Atomic uint64_t thread_id, adopted, busy_ns, own[];
};

/* What an allocator's `find` tells of it. */
struct agent_found {
    char build[96];   /* name and version */
    bool is_known;    /* else what its settings mean is not known: nobody may set them */
    bool has_metrics; /* it was built with statistics */
    bool serves_malloc;
};

struct agent_allocator {
    const char *kind;
    const struct hak_tunable *settings;
    const struct hak_metric *metrics;
    uint32_t setting_count, metric_count;
    /* Whether it serves here and can be shown. Called once, before the others. */
    bool (*find)(struct agent_found *found);
    /* The value now, or one of the two above. */
    double (*get)(uint32_t setting);
    /* 0, or the error of the allocator's own function. */
    int (*set)(uint32_t setting, double value);
    void (*measure)(_Atomic uint64_t *words);
};

extern const struct agent_allocator agent_glibc, agent_jemalloc, agent_jemalloc_je, agent_jemalloc_rjem,
    agent_mimalloc2, agent_mimalloc3, agent_tcmalloc;

/* One allocator of this process, with its block and the thread that serves it. */
struct agent {
    const struct agent_allocator *allocator;
    struct hak_block block;
    uint32_t setting_count;
    uint8_t setting[AGENT_MOST_SETTINGS]; /* of the block -> of the allocator's table */
    bool is_action[AGENT_MOST_SETTINGS];
    double effective[AGENT_MOST_SETTINGS]; /* as they were read, or set, last; helper's */
    uint64_t generation;                   /* that was given to the allocator; helper's */
    uint64_t former_busy_ns;               /* of its helpers that have ended; helper's */
    bool is_child; /* of a fork, and without a block of its own yet; set before the helper starts, cleared by it */
};

/* What agent_append_event tells. */
enum agent_event { AGENT_EVENT_SET, AGENT_EVENT_REFUSED, AGENT_EVENT_ACTION, AGENT_EVENT_COUNT };

/* The value of a setting of the block as the allocator has it; the one it was given last if it cannot be read. */
double agent_read(const struct agent *agent, uint32_t index);
static inline uint64_t agent_data_bytes(const struct agent *agent)
{
    return agent->allocator->metric_count * sizeof(uint64_t);
}
/* `error`: of a refusal, 0 if it was none. */
void agent_append_event(struct agent *agent, enum agent_event kind, uint32_t index, double before, double after,
                        int error);

#define AGENT_EXPORT __attribute__((visibility("default")))

/* `workbench inject` calls it with an argument (injected_call.h), which it does not read. */
AGENT_EXPORT const char *hak_agent_start(void);
/* The same of this copy of the library, whatever others are there. */
const char *agent_start(void);
/* In a child of fork: starts what was started in its parent. */
void agent_after_fork(void);
/* Around a call that changes the rights of the process's threads: helpers_stop, except in a child that shares our memory
 * (vfork), whose helper is its parent's. */
bool agent_pause(void);
/* HAKMEM_CONTROL. */
enum hak_access agent_read_access(void);

/* Starts the agent's thread. In a child of fork (is_child) the thread makes the child's block first. False: the system
 * gives no thread. */
bool helper_start(struct agent *agent);
/* Ends our threads, and holds back new ones until helpers_resume starts them again (an agent whose thread the system
 * refuses has its block retired). False: there are none, or the caller is one; then helpers_resume is not to be called.
 * Both keep errno. */
bool helpers_stop(void);
void helpers_resume(void);
/* In a child of fork, which has no helper yet. */
void helper_forget(void);

#endif
