/* tls_cache_threads.c: makes caches for threads, keeps them when the threads end, and reuses them; checks them. */
#include "central.h"
#include "clock.h"
#include "control.h"
#include "events.h"
#include "ghosts.h"
#include "lock.h"
#include "magazine.h"
#include "os.h"
#include "outbox.h"
#include "range.h"
#include "registry.h"
#include "settings.h"
#include "superslab.h"
#include "thread_rows.h"
#include "tls_cache.h"

#include <string.h>

#define SPARSE_BYTES ((int64_t)8 << 20)

struct tls_cache *_Atomic tls_caches;
static struct lock unused_lock; /* of both lists */
static struct tls_cache *unused_caches;

struct tls_cache *tls_cache_create(unsigned heap)
{
    lock_acquire(&unused_lock);
    struct tls_cache *cache = unused_caches;
    if (cache)
        unused_caches = cache->next_unused;
    lock_release(&unused_lock);
    if (!cache) {
        cache = os_map(sizeof *cache);
        if (!cache)
            return NULL;
        memcpy(cache->mid_table, mid_class_table, sizeof cache->mid_table);
        lock_acquire(&unused_lock);
        cache->made_before = atomic_load_explicit(&tls_caches, memory_order_relaxed);
        atomic_store_explicit(&tls_caches, cache, memory_order_release);
        lock_release(&unused_lock);
    }
    cache->actor = (struct actor){.thread_id = os_thread_id()};
    cache->row = thread_rows_acquire(cache->actor.thread_id, &cache->spare_row);
    if (!cache->row)
        return NULL; /* the cache's memory is lost, but not even a page for the row is left */
    cache->class_of_slab = class_of_slab[heap];
    cache->range_base = (uintptr_t)range.base;
    cache->heap = (uint8_t)heap;
    cache->is_real = 1;
    cache->is_maintenance_due = SETTING(purge_background) != 0; /* the upkeep then starts the purging thread */
    tls_cache_begin(cache);
    event_append(&cache->actor, EVENT_THREAD_START, CAUSE_NONE, NO_ITEM, 0,
                 (double)telemetry_get(&telemetry->global.threads));
    return cache;
}

/* Whether free blocks keep many slabs in use. Then blocks that threads leave to each other cost more memory than they
 * are worth in time. */
static bool are_slabs_sparse(void)
{
    const struct telemetry_global *global = &telemetry->global;
    int64_t busy_bytes = (int64_t)(telemetry_get(&global->busy_slabs) * SLAB_BYTES);
    int64_t out_bytes = (int64_t)(telemetry_get(&global->handed_out_bytes) - telemetry_get(&global->big_live_bytes));
    return busy_bytes - out_bytes > SPARSE_BYTES;
}

/* A thread that ends gives idle memory back, because it may be long until another thread makes a call. If no other
 * thread is left, no thread takes blocks from the magazines, and less is kept for threads that may come. */
static void give_idle_memory_back(const struct actor *actor)
{
    uint32_t now_ms = clock_now_ms(actor);
    bool is_last = telemetry_get(&telemetry->global.threads) <= 1;
    if (is_last && are_slabs_sparse()) {
        magazine_age(actor, true);
        central_drain_all(actor);
    }
    if (is_last)
        superslab_expect_less();
    while (superslab_has_surplus() && superslab_give_surplus(actor, now_ms) && is_last)
        ;
}

void tls_cache_destroy(struct tls_cache *cache)
{
    cache->goes_home = are_slabs_sparse();
    tls_cache_flush(cache);
    cache->goes_home = 0;
    thread_rows_release(cache->row);
    give_idle_memory_back(&cache->actor);
    event_append(&cache->actor, EVENT_THREAD_EXIT, CAUSE_EXIT, NO_ITEM, 0,
                 (double)telemetry_get(&telemetry->global.threads));
    cache->row = NULL;
    lock_acquire(&unused_lock);
    cache->next_unused = unused_caches;
    unused_caches = cache;
    lock_release(&unused_lock);
}

void tls_cache_after_fork(struct tls_cache *survivor)
{
    if (survivor->is_real)
        survivor->actor.thread_id = os_thread_id();
    thread_rows_after_fork(survivor->is_real ? survivor->row : NULL, os_thread_id());
}

void tls_cache_reset_locks(void)
{
    lock_reset(&unused_lock);
    thread_rows_reset_locks();
}

void tls_cache_acquire_locks(void)
{
    thread_rows_acquire_locks();
    lock_acquire(&unused_lock);
}

void tls_cache_release_locks(void)
{
    lock_release(&unused_lock);
    thread_rows_release_locks();
}

bool tls_cache_is_valid(const struct tls_cache *cache)
{
    bool valid = cache->none.top == cache->none.limit && outboxes_are_valid(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        const struct bin *bin = &cache->bins[i];
        if (!bin->base)
            continue;
        valid &= bin->base <= bin->floor && bin->floor <= bin->top && bin->top <= bin->limit;
        valid &= bin->limit <= bin->base + (bin->capacity ? bin->capacity : 1);
        valid &= bin->countdown > 0 && bin->countdown <= bin->granted && bin->granted <= cache->grant;
        valid &= !cache->ghosts || ghosts_are_valid(cache, bin);
        for (void **slot = bin->base; slot < bin->top; slot++) {
            struct chunk *chunk = registry_find(*slot);
            valid &= chunk && chunk_kind(chunk) == CHUNK_SLABS && slab_of(chunk, *slot)->class_index == i;
        }
    }
    return valid;
}
