/* process.c: constructor, fork handlers, destructor. */
#include "process.h"

#include "control.h"
#include "heap.h"
#include "lifecycle.h"
#include "tls_cache.h"

#include <pthread.h>

/* Every lock is held across fork, in the lock order, so that the child finds each structure whole. */
static void before_fork(void)
{
    heap_acquire_locks();
}

static void after_fork_in_parent(void)
{
    heap_release_locks();
}

static void after_fork_in_child(void)
{
    heap_after_fork(tls_cache);
}

__attribute__((constructor)) static void start_process(void)
{
    if (lifecycle_start())
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

__attribute__((destructor)) static void end_process(void)
{
    if (lifecycle_is_started())
        control_stop();
}

const char *process_control_path(void)
{
    return lifecycle_start() ? control_block.path : "";
}
