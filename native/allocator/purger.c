/* purger.c: the life of the purging thread. */
#include "purger.h"

#include "heap_upkeep.h"
#include "lifecycle.h"
#include "lock.h"
#include "system_call.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#define STACK_BYTES ((size_t)128 * 1024)
#define PERIOD_NS (MAINTENANCE_PERIOD_MS * 1000000L)

_Atomic uint32_t purger_state;

/* Held while the thread is made and while its end is awaited. Only allocations of the C library's thread functions take
 * other locks under it. */
static struct lock life_lock;
static pthread_t thread;          /* under life_lock; meaningless while the state is OFF */
static _Atomic uint32_t thread_id; /* relaxed: written before the thread ends, read after */
static _Atomic uint32_t is_to_end; /* stored with release by the thread that stops it, which also wakes it */
static _Atomic uint32_t stops;     /* calls of purger_stop less those of purger_allow; under life_lock */
static __thread bool is_purger;

static void wait_a_period(void)
{
    struct timespec period = {.tv_nsec = PERIOD_NS};
    SYSTEM_CALL(SYS_futex, &is_to_end, FUTEX_WAIT_PRIVATE, 0, &period);
}

/* A thread may have adopted settings under a new lease because it saw that the lease is watched. The fence orders the
 * store before the load of the lease: either that thread sees the store, or this one sees the lease. */
static bool may_end(void)
{
    atomic_store_explicit(&control_lease_is_watched, false, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (!purger_is_wanted())
        return true;
    atomic_store_explicit(&control_lease_is_watched, true, memory_order_release);
    return false;
}

static void *run(void *unused)
{
    is_purger = true;
    atomic_store_explicit(&thread_id, os_thread_id(), memory_order_relaxed);
    SYSTEM_CALL(SYS_prctl, PR_SET_NAME, "hakmem-purge");
    struct tls_cache *cache = lifecycle_attach();
    atomic_store_explicit(&control_lease_is_watched, true, memory_order_release);
    while (cache->is_real && !atomic_load_explicit(&is_to_end, memory_order_acquire)) {
        bool is_wanted = purger_is_wanted();
        control_note_lapse();
        tls_cache_look(cache);
        if (!is_wanted && may_end())
            break;
        if (SETTING(purge_background) && SETTING(clock_mode) == CLOCK_TIME)
            heap_maintain(cache);
        wait_a_period();
    }
    atomic_store_explicit(&control_lease_is_watched, false, memory_order_release);
    atomic_store_explicit(&purger_state, PURGER_ENDED, memory_order_release);
    return unused;
}

static bool create_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, former;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, STACK_BYTES); /* refused if thread data is larger; the default then stays */
    bool is_done = pthread_sigmask(SIG_BLOCK, &all, &former) == 0;
    if (is_done) {
        is_done = pthread_create(&thread, &attributes, run, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &former, NULL);
    }
    pthread_attr_destroy(&attributes);
    return is_done;
}

/* pthread_join returns a moment before the system has taken the thread out of the process. */
static void wait_until_gone(void)
{
    struct timespec pause = {.tv_nsec = 50000};
    long process_id = SYSTEM_CALL(SYS_getpid), id = atomic_load_explicit(&thread_id, memory_order_relaxed);
    for (int i = 0; i < 10000 && SYSTEM_CALL(SYS_tgkill, process_id, id, 0) == 0; i++)
        SYSTEM_CALL(SYS_nanosleep, &pause, NULL);
}

static void join_locked(void)
{
    if (atomic_load_explicit(&purger_state, memory_order_acquire) == PURGER_OFF)
        return;
    atomic_store_explicit(&is_to_end, 1, memory_order_release);
    SYSTEM_CALL(SYS_futex, &is_to_end, FUTEX_WAKE_PRIVATE, 1);
    pthread_join(thread, NULL);
    wait_until_gone();
    atomic_store_explicit(&is_to_end, 0, memory_order_relaxed);
    atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_release);
}

/* Called when the program's last thread ends: if the purging thread went on, the process would never end. */
static void stop_before_the_end(void)
{
    if (is_purger)
        return;
    purger_stop();
    purger_allow();
}

void purger_start(void)
{
    if (!lock_try(&life_lock))
        return; /* another thread is starting it; or this one is, and the C library allocates meanwhile */
    int saved_errno = errno;
    if (purger_is_missing() && atomic_load_explicit(&stops, memory_order_relaxed) == 0) {
        join_locked();
        lifecycle_before_last_end = stop_before_the_end;
        atomic_store_explicit(&purger_state, PURGER_RUNNING, memory_order_release);
        if (!create_thread())
            atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_release);
    }
    errno = saved_errno;
    lock_release(&life_lock);
}

void purger_stop(void)
{
    int saved_errno = errno;
    if (os_process_state() == PROCESS_UNKNOWN)
        purger_forget(); /* a child made without fork handlers: the thread exists only in its parent */
    lock_acquire(&life_lock);
    atomic_fetch_add_explicit(&stops, 1, memory_order_relaxed);
    join_locked();
    lock_release(&life_lock);
    errno = saved_errno;
}

void purger_allow(void)
{
    lock_acquire(&life_lock);
    if (atomic_load_explicit(&stops, memory_order_relaxed)) /* it is 0 if a child has called purger_forget meanwhile */
        atomic_fetch_sub_explicit(&stops, 1, memory_order_relaxed);
    lock_release(&life_lock);
}

void purger_forget(void)
{
    lock_reset(&life_lock);
    atomic_store_explicit(&is_to_end, 0, memory_order_relaxed);
    atomic_store_explicit(&stops, 0, memory_order_relaxed);
    atomic_store_explicit(&control_lease_is_watched, false, memory_order_relaxed);
    atomic_store_explicit(&purger_state, PURGER_OFF, memory_order_relaxed);
}
