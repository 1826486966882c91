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
    heap_after_fork(tls_cache); /* again, if another's handler allocated before: does no harm */
    HAK_ASSERT(heap_is_valid());
    purger_after_fork();
}

/* Only the handlers: the allocator itself starts with its first call, so that a program that merely
 * links it under hak_ names has no control block before it allocates. */
__attribute__((constructor)) static void register_handlers(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

__attribute__((destructor)) void process_end(void)
{
    if (lifecycle_is_started())
        control_stop();
}

const char *process_control_path(void)
{
    return lifecycle_start() ? control_block.path : "";
}
