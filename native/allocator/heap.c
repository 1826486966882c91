/* heap.c: routes requests, recognises pointers, keeps the rules of the C library's allocation calls. */
#include "heap.h"

#include "big_cache.h"
#include "central.h"
#include "checks.h"
#include "clock.h"
#include "control.h"
#include "events.h"
#include "l25_pool.h"
#include "lifecycle.h"
#include "magazine.h"
#include "settings.h"
#include "superslab.h"

#include <errno.h>
#include <string.h>

/* Counts of threads without a cache; written by several, so only roughly right. */
static struct telemetry_thread_class no_row;

static const struct actor *actor_of(const struct tls_cache *cache)
{
    return cache->is_real ? &cache->actor : NULL;
}

static void *allocate_class(struct tls_cache *cache, unsigned class_index)
{
    if (LIKELY(cache->is_real)) {
        struct bin *bin = &cache->bins[class_index + 1];
        return bin_may_pop(bin) ? bin_pop(bin) : tls_cache_allocate(cache, class_index);
    }
    void *block;
    if (!lifecycle_is_started())
        return NULL;
    return central_take(NULL, &no_row, 0, class_index, &block, 1) ? block : NULL;
}

static void after_large(struct tls_cache *cache)
{
    if (cache->is_real)
        tls_cache_poll(cache);
}

static void *allocate_l25(struct tls_cache *cache, size_t bytes, size_t alignment, bool *is_zeroed)
{
    after_large(cache);
    return lifecycle_is_started() ? l25_pool_allocate(actor_of(cache), bytes, alignment, is_zeroed) : NULL;
}

static void *allocate_big(struct tls_cache *cache, size_t bytes, size_t alignment, void *call_site, bool *is_zeroed)
{
    after_large(cache);
    if (!lifecycle_is_started() || bytes > PTRDIFF_MAX)
        return NULL;
    return big_cache_allocate(actor_of(cache), bytes, alignment, (uint64_t)(uintptr_t)call_site, is_zeroed);
}

/* A class of the tiny path that has no memory: the pool, unless the route forbids it. */
static void *allocate_fallback(struct tls_cache *cache, unsigned class_index, bool *is_zeroed)
{
    unsigned group = size_classes[class_index].group;
    if (group >= ROUTE_GROUP_COUNT || route_profiles[SETTING(route_profile)][group] == ROUTE_TINY_ONLY)
        return NULL;
    void *block = allocate_class(cache, SIZE_CLASS_1280);
    return block ? block : allocate_l25(cache, MID_MAX_BYTES + 1, 1, is_zeroed);
}

/* Any request without an alignment of its own. */
static void *try_allocate(struct tls_cache *cache, size_t bytes, void *call_site, bool *is_zeroed)
{
    *is_zeroed = false;
    if (bytes <= TINY_MAX_BYTES) {
        const uint16_t *table = cache->is_real ? cache->tiny_table : tiny_class_tables[PROFILE_CONSERVATIVE];
        unsigned class_index = class_of_key(table[(bytes + 7) / 8]);
        void *block = allocate_class(cache, class_index);
        return block ? block : allocate_fallback(cache, class_index, is_zeroed);
    }
    if (bytes <= MID_MAX_BYTES)
        return allocate_class(cache, mid_class(bytes));
    if (bytes <= L25_MAX_BYTES)
        return allocate_l25(cache, bytes, 1, is_zeroed);
    return allocate_big(cache, bytes, 1, call_site, is_zeroed);
}

/* What other caches keep may be what is missing: under a limit of the address space a chunk that waits
 * to be purged is memory that another component cannot have. False: no use to try again. */
static bool reclaim(size_t bytes)
{
    if (bytes > PTRDIFF_MAX || !lifecycle_is_started())
        return false;
    heap_trim();
    return true;
}

static void *allocate(struct tls_cache *cache, size_t bytes, void *call_site, bool *is_zeroed)
{
    void *block = try_allocate(cache, bytes, call_site, is_zeroed);
    if (UNLIKELY(!block) && reclaim(bytes))
        block = try_allocate(cache, bytes, call_site, is_zeroed);
    return block;
}

static void *finish(struct tls_cache *cache, void *block, size_t bytes)
{
    if (UNLIKELY(cache->is_maintenance_due))
        heap_maintain(cache);
    if (UNLIKELY(!block)) {
        errno = ENOMEM;
        if (lifecycle_is_started()) {
            telemetry_add(&telemetry->global.out_of_memory, 1);
            event_append(actor_of(cache), EVENT_OOM, CAUSE_NONE, NO_ITEM, 0, (double)bytes);
        }
    }
    return block;
}

void *heap_malloc(size_t bytes, void *call_site)
{
    struct tls_cache *cache = lifecycle_attach();
    bool is_zeroed;
    return finish(cache, allocate(cache, bytes, call_site, &is_zeroed), bytes);
}

void *heap_malloc_cached(size_t bytes)
{
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(!cache->is_real))
        return heap_malloc(bytes, NULL);
    unsigned class_index = bytes <= TINY_MAX_BYTES ? class_of_key(cache->tiny_table[(bytes + 7) / 8]) : mid_class(bytes);
    void *block = tls_cache_allocate(cache, class_index);
    if (LIKELY(block && !cache->is_maintenance_due))
        return block;
    bool is_zeroed;
    return finish(cache, block ? block : allocate(cache, bytes, NULL, &is_zeroed), bytes);
}

void *heap_calloc_cached(size_t bytes)
{
    void *block = heap_malloc_cached(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

void *heap_calloc(size_t count, size_t bytes, void *call_site)
{
    size_t total;
    struct tls_cache *cache = lifecycle_attach();
    if (__builtin_mul_overflow(count, bytes, &total))
        return finish(cache, NULL, SIZE_MAX);
    bool is_zeroed;
    void *block = finish(cache, allocate(cache, total, call_site, &is_zeroed), total);
    if (block && !is_zeroed)
        memset(block, 0, total);
    return block;
}

/* ---- whose block is it ---------------------------------------------------------------------- */

enum block_kind { BLOCK_NONE, BLOCK_CLASS, BLOCK_L25, BLOCK_BIG };

struct block_info {
    enum block_kind kind;
    enum event_cause problem; /* if NONE: why it is no block */
    struct chunk *chunk;
    struct slab *slab;
    size_t usable_bytes;
};

static struct block_info no_block(enum event_cause problem)
{
    return (struct block_info){.kind = BLOCK_NONE, .problem = problem};
}

static struct block_info find_block(const void *block)
{
    if (!lifecycle_is_started())
        return no_block(CAUSE_FOREIGN);
    struct chunk *chunk = registry_find(block);
    if (!chunk)
        return no_block(CAUSE_FOREIGN);
    if (chunk_kind(chunk) == CHUNK_BIG) {
        if (block != chunk->base)
            return no_block(CAUSE_MISALIGNED);
        return (struct block_info){.kind = BLOCK_BIG, .chunk = chunk, .usable_bytes = big_cache_block_bytes(chunk)};
    }
    struct slab *slab = slab_of(chunk, block);
    size_t offset = (size_t)((const char *)block - slab_start(slab));
    if (slab->state == SLAB_CLASS) {
        const struct size_class *class = &size_classes[slab->class_index];
        uint64_t index = offset * class->reciprocal >> 40;
        if (index * class->bytes != offset)
            return no_block(CAUSE_MISALIGNED);
        return (struct block_info){.kind = BLOCK_CLASS, .chunk = chunk, .slab = slab, .usable_bytes = class->bytes};
    }
    if (slab->state != SLAB_L25)
        return no_block(CAUSE_FOREIGN);
    if (offset)
        return no_block(CAUSE_MISALIGNED);
    return (struct block_info){.kind = BLOCK_L25, .chunk = chunk, .slab = slab, .usable_bytes = l25_pool_block_bytes(slab)};
}

static void free_block(struct tls_cache *cache, const struct block_info *info, void *block)
{
    bool done = true;
    switch (info->kind) {
    case BLOCK_CLASS:
        if (LIKELY(cache->is_real))
            tls_cache_free(cache, info->slab->class_index, block);
        else
            central_give(NULL, &no_row, 0, info->slab->class_index, &block, 1);
        break;
    case BLOCK_L25:
        done = l25_pool_free(actor_of(cache), info->slab);
        break;
    case BLOCK_BIG:
        done = big_cache_free(actor_of(cache), info->chunk);
        break;
    case BLOCK_NONE:
        break;
    }
    if (!done)
        check_failed(actor_of(cache), "free", block, CAUSE_DOUBLE_FREE);
}

void heap_free(void *block)
{
    if (!block)
        return;
    int saved_errno = errno;
    struct tls_cache *cache = lifecycle_attach();
    struct block_info info = find_block(block);
    if (UNLIKELY(info.kind == BLOCK_NONE))
        check_failed(actor_of(cache), "free", block, info.problem);
    else
        free_block(cache, &info, block);
    if (UNLIKELY(cache->is_maintenance_due))
        heap_maintain(cache);
    errno = saved_errno;
}

size_t heap_usable_size(const void *block)
{
    if (!block)
        return 0;
    struct block_info info = find_block(block);
    if (info.kind == BLOCK_NONE)
        check_failed(actor_of(tls_cache), "malloc_usable_size", block, info.problem);
    return info.usable_bytes;
}

void *heap_realloc(void *block, size_t bytes, void *call_site)
{
    if (!block)
        return heap_malloc(bytes, call_site);
    if (bytes == 0) {
        heap_free(block);
        return NULL;
    }
    struct tls_cache *cache = lifecycle_attach();
    struct block_info info = find_block(block);
    if (UNLIKELY(info.kind == BLOCK_NONE)) {
        check_failed(actor_of(cache), "realloc", block, info.problem);
        errno = EINVAL;
        return NULL;
    }
    if (bytes <= info.usable_bytes && bytes >= info.usable_bytes / 2)
        return block;
    if (info.kind == BLOCK_BIG && bytes > L25_MAX_BYTES && bytes <= PTRDIFF_MAX) {
        void *resized = big_cache_resize(actor_of(cache), info.chunk, bytes);
        if (resized)
            return resized;
    }
    bool is_zeroed;
    void *other = finish(cache, allocate(cache, bytes, call_site, &is_zeroed), bytes);
    if (!other)
        return NULL;
    memcpy(other, block, bytes < info.usable_bytes ? bytes : info.usable_bytes);
    heap_free(block);
    return other;
}

void *heap_reallocarray(void *block, size_t count, size_t bytes, void *call_site)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return finish(lifecycle_attach(), NULL, SIZE_MAX);
    return heap_realloc(block, total, call_site);
}

/* The smallest class of at least `bytes` whose every block is aligned, or SIZE_CLASS_COUNT. */
static unsigned aligned_class(size_t alignment, size_t bytes)
{
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        if (size_classes[c].bytes >= bytes && size_classes[c].bytes % alignment == 0)
            return c;
    return SIZE_CLASS_COUNT;
}

static void *try_memalign(struct tls_cache *cache, size_t alignment, size_t bytes, void *call_site)
{
    bool is_zeroed;
    size_t at_least = bytes > alignment ? bytes : alignment;
    if (at_least <= MID_MAX_BYTES)
        return allocate_class(cache, aligned_class(alignment, bytes ? bytes : 1));
    if (at_least <= L25_MAX_BYTES)
        return allocate_l25(cache, at_least, alignment, &is_zeroed);
    return allocate_big(cache, at_least, alignment, call_site, &is_zeroed);
}

void *heap_memalign(size_t alignment, size_t bytes, void *call_site)
{
    if (alignment == 0 || (alignment & (alignment - 1)) || alignment > PTRDIFF_MAX) {
        errno = EINVAL;
        return NULL;
    }
    struct tls_cache *cache = lifecycle_attach();
    void *block = try_memalign(cache, alignment, bytes, call_site);
    if (UNLIKELY(!block) && reclaim(bytes))
        block = try_memalign(cache, alignment, bytes, call_site);
    return finish(cache, block, bytes);
}

int heap_posix_memalign(void **out, size_t alignment, size_t bytes, void *call_site)
{
    if (alignment % sizeof(void *) || alignment == 0 || (alignment & (alignment - 1)))
        return EINVAL;
    int saved_errno = errno;
    void *block = heap_memalign(alignment, bytes, call_site);
    errno = saved_errno;
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

void *heap_valloc(size_t bytes, void *call_site)
{
    return heap_memalign(PAGE_BYTES, bytes, call_site);
}

void *heap_pvalloc(size_t bytes, void *call_site)
{
    if (bytes > SIZE_MAX - PAGE_BYTES)
        return finish(lifecycle_attach(), NULL, bytes);
    return heap_memalign(PAGE_BYTES, bytes ? round_up(bytes, PAGE_BYTES) : PAGE_BYTES, call_site);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

static _Atomic uint64_t applied_generation; /* of settings, by the pools; relaxed */
static _Atomic uint32_t last_purge_ms;      /* relaxed: a purge more or less does no harm */

/* One thread purges for all, ten times a second at most. */
static bool is_purge_due(uint32_t now_ms)
{
    if (SETTING(ss_purge_delay_ms) == 0)
        return true;
    uint32_t last = atomic_load_explicit(&last_purge_ms, memory_order_relaxed);
    if ((int32_t)(now_ms - last) < MAINTENANCE_PERIOD_MS)
        return false;
    return atomic_compare_exchange_strong_explicit(&last_purge_ms, &last, now_ms, memory_order_relaxed,
                                                   memory_order_relaxed);
}

void heap_maintain(struct tls_cache *cache)
{
    const struct actor *actor = actor_of(cache);
    cache->is_maintenance_due = 0;
    uint64_t generation = cache->generation;
    if (atomic_load_explicit(&applied_generation, memory_order_relaxed) != generation) {
        atomic_store_explicit(&applied_generation, generation, memory_order_relaxed);
        l25_pool_settings_changed(actor);
        big_cache_settings_changed(actor);
    }
    uint32_t now_ms = clock_now_ms(actor);
    if (is_purge_due(now_ms)) {
        magazine_age(actor, SETTING(ss_purge_delay_ms) == 0);
        central_drain_all(actor);
        big_cache_purge(actor, now_ms, false);
        l25_pool_purge(actor, now_ms, false);
        superslab_purge(actor, now_ms, false);
    }
    event_log_flush();
}

size_t heap_trim(void)
{
    struct tls_cache *cache = lifecycle_attach();
    const struct actor *actor = actor_of(cache);
    if (!lifecycle_is_started())
        return 0;
    if (cache->is_real)
        tls_cache_flush(cache);
    magazine_age(actor, true);
    central_drain_all(actor);
    uint32_t now_ms = clock_now_ms(actor);
    size_t purged = big_cache_purge(actor, now_ms, true);
    l25_pool_purge(actor, now_ms, true); /* to chunks, whose bytes are counted next */
    return purged + superslab_purge(actor, now_ms, true);
}

bool heap_is_valid(void)
{
    const struct tls_cache *cache = tls_cache;
    return superslab_is_valid() && central_is_valid() && magazine_is_valid() && l25_pool_is_valid() && big_cache_is_valid() &&
           (!cache->is_real || tls_cache_is_valid(cache));
}

void heap_acquire_locks(void)
{
    tls_cache_acquire_locks();
    magazine_acquire_locks();
    central_acquire_locks();
    l25_pool_acquire_locks();
    big_cache_acquire_locks();
    superslab_acquire_locks();
}

void heap_release_locks(void)
{
    superslab_release_locks();
    big_cache_release_locks();
    l25_pool_release_locks();
    central_release_locks();
    magazine_release_locks();
    tls_cache_release_locks();
}

void heap_after_fork(struct tls_cache *survivor)
{
    superslab_reset_locks();
    big_cache_reset_locks();
    l25_pool_reset_locks();
    central_reset_locks();
    magazine_reset_locks();
    control_after_fork();
    tls_cache_after_fork(survivor);
    lifecycle_after_fork();
    telemetry_add(&telemetry->global.forks, 1);
}
