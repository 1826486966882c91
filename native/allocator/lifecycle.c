/* lifecycle.c: starts every component once, from the lowest layer up. The destructor of a pthread key ends a thread's
 * cache. */
#include "lifecycle.h"

#include "big_cache.h"
#include "central.h"
#include "control.h"
#include "l25_pool.h"
#include "lock.h"
#include "memory_layout.h"
#include "os.h"
#include "range.h"
#include "registry.h"
#include "settings.h"
#include "superslab.h"
#include "system_clock.h"
#include "system_page.h"

#include <pthread.h>

static struct lock start_lock;
static _Atomic bool is_started; /* store release under start_lock */
static __thread bool is_starting;
static struct lock exit_key_lock;
static pthread_key_t exit_key; /* written under exit_key_lock, and read once has_exit_key is set */
static bool has_exit_key;
static struct lock heaps_lock;
static uint32_t threads_of_heap[MAX_HEAPS]; /* under heaps_lock */

/* Stands in for the cache of a thread whose destructors have run: the thread gets no new cache. */
static _Alignas(SMALLEST_PAGE_BYTES) struct tls_cache ended;

/* Returns the lowest of the heaps with the fewest threads, so that a thread that follows another reuses its slabs. */
static unsigned join_heap(void)
{
    unsigned least = 0;
    lock_acquire(&heaps_lock);
    for (unsigned heap = 1; heap < central_heap_count(); heap++)
        least = threads_of_heap[heap] < threads_of_heap[least] ? heap : least;
    threads_of_heap[least]++;
    lock_release(&heaps_lock);
    return least;
}

/* Returns how many threads have a cache now. */
static uint32_t leave_heap(unsigned heap)
{
    uint32_t left = 0;
    lock_acquire(&heaps_lock);
    threads_of_heap[heap]--;
    for (unsigned i = 0; i < MAX_HEAPS; i++)
        left += threads_of_heap[i];
    lock_release(&heaps_lock);
    return left;
}

void (*_Atomic lifecycle_before_last_end)(void);

static void end_thread(void *value)
{
    (void)value;
    struct tls_cache *cache = tls_cache;
    if (!cache->is_real)
        return;
    tls_cache = derived_cache = &ended;
    if (os_process_state() != PROCESS_KNOWN)
        return; /* a child that has not taken a slow path yet: its locks and rows are as its parent left them */
    lock_section_begin();
    unsigned heap = cache->heap; /* read now, because another thread may get the cache once it is destroyed */
    tls_cache_destroy(cache);
    uint32_t left = leave_heap(heap);
    lock_section_end();
    void (*before_last_end)(void) = lifecycle_before_last_end;
    if (left <= 1 && before_last_end)
        before_last_end();
}

static bool start_system(void)
{
    size_class_init_tables();
    os_watch_for_children();
    central_start();
    range_start(central_heap_count());
    return true;
}

/* If there was no memory for a component, the next call tries that component again. */
static bool start_components(void)
{
    static bool (*const steps[])(void) = {control_start,  start_system,    registry_start,       superslab_start,
                                          l25_pool_start, big_cache_start, memory_layout_publish};
    static unsigned done; /* under start_lock */
    while (done < sizeof steps / sizeof *steps && steps[done]())
        done++;
    return done == sizeof steps / sizeof *steps;
}

bool lifecycle_is_started(void)
{
    return atomic_load_explicit(&is_started, memory_order_acquire);
}

bool lifecycle_start(void)
{
    if (lifecycle_is_started())
        return true;
    if (is_starting)
        return false;
    is_starting = true;
    system_clock_start();
    system_page_start();
    lock_acquire(&start_lock);
    bool done = lifecycle_is_started() || start_components();
    atomic_store_explicit(&is_started, done, memory_order_release);
    lock_release(&start_lock);
    is_starting = false;
    return done;
}

bool lifecycle_is_starting(void)
{
    return is_starting;
}

/* The pthread functions may be another library's wrappers, which allocate; so the thread has its cache already. Without a
 * key a thread's cache is not given back at its end. */
static void watch_exit(struct tls_cache *cache)
{
    lock_acquire(&exit_key_lock);
    if (!has_exit_key)
        has_exit_key = pthread_key_create(&exit_key, end_thread) == 0;
    bool has_key = has_exit_key;
    lock_release(&exit_key_lock);
    if (has_key)
        pthread_setspecific(exit_key, cache);
}

static NOINLINE struct tls_cache *attach_new(void)
{
    if (tls_cache == &ended || !lifecycle_start())
        return &tls_cache_none;
    lock_section_begin();
    unsigned heap = join_heap();
    struct tls_cache *cache = tls_cache_create(heap);
    if (cache)
        tls_cache = cache;
    else
        leave_heap(heap);
    lock_section_end();
    if (!cache)
        return &tls_cache_none;
    watch_exit(cache);
    return cache;
}

struct tls_cache *lifecycle_attach(void)
{
    return LIKELY(tls_cache->is_real) ? tls_cache : attach_new();
}

/* Most threads that end soon make no more calls than this. */
#define CALLS_WITHOUT_CACHE 16
static __thread uint32_t calls;

struct tls_cache *lifecycle_attach_for_call(void)
{
    if (LIKELY(tls_cache->is_real))
        return tls_cache;
    bool has_company = lifecycle_is_started() && telemetry_get(&telemetry->global.threads);
    if (has_company && calls < CALLS_WITHOUT_CACHE && !SETTING(tls_prewarm_slots)) {
        calls++;
        return &tls_cache_none;
    }
    return attach_new();
}

void lifecycle_reset_locks(void)
{
    lock_reset(&start_lock);
    lock_reset(&exit_key_lock);
    lock_reset(&heaps_lock);
}

void lifecycle_after_fork(void)
{
    for (unsigned heap = 0; heap < MAX_HEAPS; heap++)
        threads_of_heap[heap] = tls_cache->is_real && tls_cache->heap == heap;
}
