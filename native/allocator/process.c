/* process.c: constructor, fork handlers, destructor. */
#include "process.h"

#include "control.h"
#include "heap.h"
#include "lifecycle.h"
#include "lock.h"
#include "os.h"
#include "purger.h"
#include "samples.h"
#include "tls_cache.h"

#include <pthread.h>

/* Both belong to the thread that forks. */
static __thread bool is_holding; /* before_fork took every lock */
static __thread uint32_t interrupted_forks; /* forks by signal handlers that interrupted a change; they may nest */

/* A fork takes every lock, in the lock order, and holds it until fork returns, so that the child finds each structure
 * whole. A signal handler that interrupted a change takes none, because its thread already holds some of them. */
static void before_fork(void)
{
    if (locks_held) {
        interrupted_forks++;
    } else if (lifecycle_is_started()) {
        if (os_process_state() != PROCESS_FORKED)
            heap_look_at_process(); /* a child made by clone that forks must first reset the locks it inherited */
        heap_acquire_locks();
        is_holding = true;
    }
}

static void after_fork_in_parent(void)
{
    if (interrupted_forks) {
        interrupted_forks--;
    } else if (is_holding) {
        is_holding = false;
        heap_release_locks();
    }
}

/* The child of an interrupted fork will finish the interrupted change on its stack. So all locks are reset, which other
 * threads of the parent may have held, but structures stay as they are until that change is complete. Then the first slow
 * path does the rest, as in a child that the fork handlers did not see (heap.c). */
static void after_fork_in_child(void)
{
    if (interrupted_forks) {
        interrupted_forks--;
        heap_reset_locks();
        atomic_store_explicit(os_process_word, PROCESS_UNKNOWN, memory_order_release);
    } else if (is_holding) {
        is_holding = false;
        if (os_watches_for_children() && os_process_state() == PROCESS_UNKNOWN) {
            heap_release_locks();
            atomic_store_explicit(os_process_word, PROCESS_FORKED, memory_order_release);
        } else {
            locks_held = 0;
            heap_after_fork(tls_cache);
        }
        purger_forget();
        if (SETTING(purge_background) && purger_is_missing()) { /* a lease is the parent's */
            heap_look_at_process(); /* the thread needs a row in the child's own control block */
            purger_start();
        }
    }
}

/* Handlers before a fork run from the last registered to the first, and handlers after it in the order of registration.
 * The allocator's are registered first, so that no other library's handler, which may allocate, runs under its locks. */
void process_watch_forks(void)
{
    static _Atomic bool are_registered; /* relaxed: the program has one thread when its first library registers */
    if (!atomic_exchange_explicit(&are_registered, true, memory_order_relaxed))
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* The constructor only registers the handlers. The allocator starts with its first call, so that a program that merely
 * links it under hak_ names has no control block before it allocates. */
__attribute__((constructor)) static void watch_forks_at_last(void)
{
    process_watch_forks();
}

__attribute__((destructor)) static void end(void)
{
    if (!lifecycle_is_started() || os_process_state() != PROCESS_KNOWN)
        return;
    if (!os_is_confined())
        samples_stop();
    control_stop();
}

void process_confine(void)
{
    lifecycle_start();
    purger_stop();
    atomic_fetch_add_explicit(&os_confinements, 1, memory_order_relaxed);
}

void process_unconfine(void)
{
    atomic_fetch_sub_explicit(&os_confinements, 1, memory_order_relaxed);
    purger_allow();
}

const char *process_control_path(void)
{
    heap_look_at_process();
    return lifecycle_start() ? control_block.path : "";
}

bool process_control_problem(char *text, size_t bytes)
{
    process_control_path();
    return hak_block_explain(&control_block, text, bytes) == HAK_FILE_UNWANTED;
}
