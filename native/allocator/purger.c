/* purger.c: the life of the purging thread. */
#include "purger.h"

#include "heap.h"
#include "lifecycle.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#define STACK_BYTES ((size_t)128 * 1024)
#define PERIOD_NS (MAINTENANCE_PERIOD_MS * 1000000L)

_Atomic uint32_t purger_state;

static void *run(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "hakmem-purge");
    struct tls_cache *cache = lifecycle_attach();
    atomic_store_explicit(&purger_state, PURGER_RUNNING, memory_order_release);
    while (cache->is_real) {
        tls_cache_look(cache);
        if (!SETTING(purge_background))
            break;
        if (SETTING(clock_mode) == CLOCK_TIME)
            heap_maintain(cache);
        struct timespec period = {.tv_nsec = PERIOD_NS};
        nanosleep(&period, NULL);
    }
    atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_release);
    return NULL;
}

static bool create_thread(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, former;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    bool is_done = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES); /* refused where thread data is larger: the default */
    is_done = is_done && pthread_sigmask(SIG_BLOCK, &all, &former) == 0;
    if (is_done) {
        is_done = pthread_create(&thread, &attributes, run, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &former, NULL);
    }
    pthread_attr_destroy(&attributes);
    return is_done;
}

void purger_start(void)
{
    uint32_t off = PURGER_OFF;
    if (!atomic_compare_exchange_strong_explicit(&purger_state, &off, PURGER_STARTING, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return;
    int saved_errno = errno;
    if (!create_thread())
        atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_release);
    errno = saved_errno;
}

void purger_after_fork(void)
{
    atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_relaxed);
    if (purger_is_missing()) {
        heap_look_at_process(); /* the thread needs a row in the child's own block */
        purger_start();
    }
}
