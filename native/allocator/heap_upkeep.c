/* heap_upkeep.c: purging, trimming, checking and forking, which call every component in the order of the locks. */
#include "heap_upkeep.h"

#include "big_cache.h"
#include "central.h"
#include "clock.h"
#include "control.h"
#include "events.h"
#include "frames.h"
#include "l25_pool.h"
#include "lifecycle.h"
#include "magazine.h"
#include "memory_limit.h"
#include "os.h"
#include "registry.h"
#include "samples.h"
#include "settings.h"
#include "superslab.h"
#include "thread_rows.h"

static const struct actor *actor_of(const struct tls_cache *cache)
{
    return cache->is_real ? &cache->actor : NULL;
}

static _Atomic uint64_t applied_generation; /* the generation of settings that the pools have adopted; relaxed */
static _Atomic uint32_t last_purge_ms;      /* relaxed: one purge more or less does no harm */

/* Purges are due at most ten times a second, for all threads together. */
static bool is_purge_due(uint32_t now_ms)
{
    if (SETTING(ss_purge_delay_ms) == 0)
        return true;
    return clock_is_due(&last_purge_ms, now_ms, MAINTENANCE_PERIOD_MS);
}

static size_t purge_all(const struct actor *actor)
{
    uint32_t now_ms = clock_now_ms(actor);
    size_t purged = central_purge(actor, now_ms, true) + big_cache_purge(actor, now_ms, true);
    l25_pool_purge(actor, now_ms, true); /* releases slabs to chunks, whose purge counts the bytes */
    return purged + superslab_purge(actor, now_ms, true);
}

static void give_blocks_home(const struct actor *actor)
{
    magazine_age(actor, true);
    central_drain_all(actor);
}

/* Does the actions that other processes ask for. The thread has adopted the settings, and drained its own bins if that was
 * asked for. */
static void act(struct tls_cache *cache)
{
    const struct actor *actor = actor_of(cache);
    for (unsigned action = 0; action < ACTION_COUNT; action++) {
        uint64_t asked;
        if (!control_begin_action((enum action)action, &asked))
            continue;
        uint64_t before = os_resident_bytes();
        switch ((enum action)action) {
        case ACTION_trim:
            heap_give_all_back(cache);
            break;
        case ACTION_drain:
            give_blocks_home(actor);
            break;
        case ACTION_purge:
            purge_all(actor);
            break;
        case ACTION_COUNT:
            break;
        }
        control_end_action(actor, (enum action)action, asked, before, os_resident_bytes());
    }
}

void heap_maintain(struct tls_cache *cache)
{
    const struct actor *actor = actor_of(cache);
    cache->is_maintenance_due = 0;
    control_note_lapse(); /* a process that confined itself has no purging thread */
    uint64_t generation = cache->generation;
    if (atomic_load_explicit(&applied_generation, memory_order_relaxed) != generation) {
        atomic_store_explicit(&applied_generation, generation, memory_order_relaxed);
        l25_pool_settings_changed(actor);
        big_cache_settings_changed(actor);
        central_settings_changed();
        atomic_store_explicit(&last_purge_ms, 0, memory_order_relaxed);
        act(cache);
    }
    uint32_t now_ms = clock_now_ms(actor);
    if (is_purge_due(now_ms)) {
        magazine_age(actor, SETTING(ss_purge_delay_ms) == 0);
        central_drain_all(actor);
        central_purge(actor, now_ms, false);
        big_cache_purge(actor, now_ms, false);
        l25_pool_purge(actor, now_ms, false);
        superslab_purge(actor, now_ms, false);
    }
    if (superslab_has_surplus())
        superslab_give_surplus(actor, now_ms);
    event_log_flush();
#if HAK_DEBUG
    static _Atomic uint32_t upkeeps;
    HAK_ASSERT(atomic_fetch_add_explicit(&upkeeps, 1, memory_order_relaxed) % 16 != 15 || heap_is_valid());
#endif
}

size_t heap_give_all_back(struct tls_cache *cache)
{
    const struct actor *actor = actor_of(cache);
    if (cache->is_real)
        tls_cache_flush(cache);
    give_blocks_home(actor);
    size_t purged = purge_all(actor);
    memory_limit_note_trim();
    HAK_ASSERT(heap_is_valid());
    return purged;
}

bool heap_is_valid_without_cache(void)
{
    return registry_is_valid() && frames_is_valid() && thread_rows_is_valid() && superslab_is_valid() &&
           central_is_valid() && samples_is_valid() && magazine_is_valid() && l25_pool_is_valid() && big_cache_is_valid();
}

bool heap_is_valid(void)
{
    const struct tls_cache *cache = tls_cache;
    return heap_is_valid_without_cache() && (!cache->is_real || tls_cache_is_valid(cache));
}

void heap_acquire_locks(void)
{
    tls_cache_acquire_locks();
    magazine_acquire_locks();
    central_acquire_locks();
    l25_pool_acquire_locks();
    big_cache_acquire_locks();
    superslab_acquire_locks();
    samples_acquire_locks();
}

void heap_release_locks(void)
{
    samples_release_locks();
    superslab_release_locks();
    big_cache_release_locks();
    l25_pool_release_locks();
    central_release_locks();
    magazine_release_locks();
    tls_cache_release_locks();
}

void heap_reset_locks(void)
{
    samples_reset_locks();
    superslab_reset_locks();
    big_cache_reset_locks();
    l25_pool_reset_locks();
    central_reset_locks();
    magazine_reset_locks();
    tls_cache_reset_locks();
    control_reset_locks();
    lifecycle_reset_locks();
}

void heap_after_fork(struct tls_cache *survivor)
{
    heap_reset_locks();
    control_after_fork();
    samples_after_fork();
    superslab_after_fork();
    central_after_fork();
    tls_cache_after_fork(survivor);
    lifecycle_after_fork();
    telemetry_add(&telemetry->global.forks, 1);
    atomic_store_explicit(os_process_word, PROCESS_KNOWN, memory_order_release);
}
