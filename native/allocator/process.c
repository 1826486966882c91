/* process.c: constructor, fork handlers, destructor. */
#include "process.h"

#include "control.h"
#include "heap.h"
#include "lifecycle.h"
#include "purger.h"
#include "tls_cache.h"

#include <pthread.h>

static bool is_holding; /* under the locks that before_fork took: one fork at a time */

/* Every lock is held across fork, in the lock order, so that the child finds each structure whole. */
static void before_fork(void)
{
    if (!lifecycle_is_started())
        return;
    if (os_process_state() != PROCESS_FORKED)
        heap_look_at_process(); /* a child of clone that forks: nobody here holds the locks it found */
    heap_acquire_locks();
    is_holding = true;
}

static void after_fork_in_parent(void)
{
    if (!is_holding)
        return;
    is_holding = false;
    heap_release_locks();
}

static void after_fork_in_child(void)
{
    if (!is_holding)
        return;
    is_holding = false;
    if (!os_watches_for_children()) {
        heap_after_fork(tls_cache);
    } else if (os_process_state() == PROCESS_UNKNOWN) { /* else another's handler allocated before */
        heap_release_locks();
        atomic_store_explicit(os_process_word, PROCESS_FORKED, memory_order_release);
    }
    purger_after_fork();
}

/* Only the handlers: the allocator itself starts with its first call, so that a program that merely
 * links it under hak_ names has no control block before it allocates. */
__attribute__((constructor)) static void register_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

__attribute__((destructor)) static void end(void)
{
    if (lifecycle_is_started() && os_process_state() == PROCESS_KNOWN)
        control_stop();
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
