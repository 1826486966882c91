/* heap.c: routes requests, recognises pointers, and keeps the rules of the C library's allocation calls. */
#include "heap.h"

#include "altered.h"
#include "big_cache.h"
#include "call_site.h"
#include "central.h"
#include "checks.h"
#include "clock.h"
#include "control.h"
#include "early_blocks.h"
#include "events.h"
#include "heap_blocks.h"
#include "integrity.h"
#include "l25_pool.h"
#include "lifecycle.h"
#include "lock.h"
#include "magazine.h"
#include "memory_limit.h"
#include "processor.h"
#include "purger.h"
#include "settings.h"
#include "superslab.h"

#include <errno.h>
#include <string.h>

/* Where threads without a cache count. Several of them may write at once, so the counts are only roughly right. */
static struct telemetry_thread_class no_row;

COLD void heap_make_process_known(void)
{
    if (locks_held)
        return; /* a signal handler that interrupted a change allocates: structures may be half changed */
    uint32_t state = os_process_state();
    if ((state == PROCESS_UNKNOWN || state == PROCESS_FORKED) &&
        atomic_compare_exchange_strong_explicit(os_process_word, &state, PROCESS_CHANGING, memory_order_acquire,
                                                memory_order_relaxed)) {
        heap_after_fork(tls_cache);
        HAK_ASSERT(state != PROCESS_FORKED || heap_is_valid_without_cache());
        if (state == PROCESS_UNKNOWN)
            purger_forget();
    }
    while (os_process_state() != PROCESS_KNOWN)
        processor_pause(); /* until another thread of the child has done it */
}

/* Every slow path begins here. */
static struct tls_cache *attach(void)
{
    heap_look_at_process();
    return lifecycle_attach_for_call();
}

static const struct actor *actor_of(const struct tls_cache *cache)
{
    return cache->is_real ? &cache->actor : NULL;
}

size_t heap_trim(void)
{
    struct tls_cache *cache = attach();
    return lifecycle_is_started() ? heap_give_all_back(cache) : 0;
}

static void *allocate_class(struct tls_cache *cache, unsigned class_index, size_t bytes)
{
    if (LIKELY(cache->is_real)) {
        struct bin *bin = &cache->bins[class_index];
        if (bin->countdown == 0 || !bin_may_pop(bin)) /* 0: fast_memalign counted this allocation, and a tick is due */
            return tls_cache_allocate(cache, class_index, bytes);
        void *popped = bin_pop(bin);
        if (UNLIKELY(cache->check_level >= 3))
            integrity_forget(&popped, 1);
        return popped;
    }
    void *block;
    uint32_t fresh_slabs = 0;
    /* Each such block has its cache lines to itself, because the next one may go to another thread. */
    class_index = class_index < OUTBOX_COUNT ? OUTBOX_COUNT : class_index;
    if (!lifecycle_is_started() || !central_take(NULL, &no_row, 0, class_index, &block, 1, &fresh_slabs))
        return NULL;
    integrity_forget(&block, 1);
    return block;
}

static void after_large(struct tls_cache *cache)
{
    if (cache->is_real)
        tls_cache_poll(cache);
}

static void *allocate_l25(struct tls_cache *cache, size_t bytes, size_t alignment, bool *is_zeroed)
{
    after_large(cache);
    void *block = lifecycle_is_started() ? l25_pool_allocate(actor_of(cache), bytes, alignment, is_zeroed) : NULL;
    count_large_block(cache, block, bytes);
    return block;
}

static void *allocate_big(struct tls_cache *cache, size_t bytes, size_t alignment, void *call_site, bool *is_zeroed)
{
    after_large(cache);
    if (!lifecycle_is_started() || bytes > PTRDIFF_MAX)
        return NULL;
    void *block = big_cache_allocate(actor_of(cache), bytes, alignment, call_site_id(call_site), is_zeroed);
    count_large_block(cache, block, bytes);
    return block;
}

/* Called if a tiny class has no memory: tries a mid-size class and the L2.5 pool, unless the route forbids it. */
static void *allocate_fallback(struct tls_cache *cache, unsigned class_index, size_t bytes, bool *is_zeroed)
{
    unsigned group = size_classes[class_index].group;
    if (group >= ROUTE_GROUP_COUNT || route_profiles[SETTING(route_profile)][group] == ROUTE_TINY_ONLY)
        return NULL;
    void *block = allocate_class(cache, MID_FIRST_CLASS, bytes);
    return block ? block : allocate_l25(cache, MID_MAX_BYTES + 1, 1, is_zeroed);
}

/* Serves a thread that re-enters the start of the allocator. */
static COLD void *allocate_early(size_t alignment, size_t bytes)
{
    return lifecycle_is_starting() ? early_blocks_take(alignment, bytes) : NULL;
}

static unsigned mid_class(size_t bytes)
{
    return class_of_key(mid_class_table[(bytes - 1) / MID_STEP_BYTES]);
}

/* Serves a request without an alignment. */
static void *try_allocate(struct tls_cache *cache, size_t bytes, void *call_site, bool *is_zeroed)
{
    *is_zeroed = false;
    if (bytes <= TINY_MAX_BYTES) {
        unsigned profile = cache->is_real ? cache->route_profile : PROFILE_CONSERVATIVE;
        unsigned class_index = class_of_key(tiny_class_tables[profile][(bytes + 7) / 8]);
        void *block = allocate_class(cache, class_index, bytes);
        return block ? block : allocate_fallback(cache, class_index, bytes, is_zeroed);
    }
    if (bytes <= MID_MAX_BYTES)
        return allocate_class(cache, mid_class(bytes), bytes);
    if (bytes <= L25_MAX_BYTES)
        return allocate_l25(cache, bytes, 1, is_zeroed);
    return allocate_big(cache, bytes, 1, call_site, is_zeroed);
}

/* Gives idle memory back after an allocation failed: under a limit of the address space, or near that of the memory
 * cgroup, a component cannot get the memory that another component keeps idle. Returns false if a second try is no use.
 * If it returns true, memory_limit_resume must follow the second try. */
static bool reclaim(size_t bytes)
{
    if (bytes > PTRDIFF_MAX || !lifecycle_is_started())
        return false;
    memory_limit_suspend();
    heap_trim();
    return true;
}

static void *allocate(struct tls_cache *cache, size_t bytes, void *call_site, bool *is_zeroed)
{
    if (UNLIKELY(!cache->is_real) && !lifecycle_is_started()) {
        *is_zeroed = true;
        return allocate_early(1, bytes);
    }
    void *block = try_allocate(cache, bytes, call_site, is_zeroed);
    if (UNLIKELY(!block) && reclaim(bytes)) {
        block = try_allocate(cache, bytes, call_site, is_zeroed);
        memory_limit_resume();
    }
    return block;
}

/* For a block that has outgrown its place and is likely to grow again. */
static void *allocate_growing(struct tls_cache *cache, size_t bytes, void *call_site)
{
    bool is_zeroed;
    if (bytes > MID_MAX_BYTES && bytes <= L25_MAX_BYTES) {
        after_large(cache);
        void *block = l25_pool_allocate_growing(actor_of(cache), bytes);
        if (LIKELY(block)) {
            count_large_block(cache, block, bytes);
            return block;
        }
    }
    return allocate(cache, bytes, call_site, &is_zeroed);
}

static void *finish(struct tls_cache *cache, void *block, size_t bytes)
{
    if (UNLIKELY(cache->is_maintenance_due)) {
        heap_maintain(cache);
        if (UNLIKELY(purger_is_missing()) && cache->is_real)
            purger_start();
    }
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
    struct tls_cache *cache = attach();
    bool is_zeroed;
    return finish(cache, allocate(cache, bytes, call_site, &is_zeroed), bytes);
}

void *heap_malloc_cached(size_t bytes)
{
    struct tls_cache *cache = tls_cache;
    heap_look_at_process();
    if (UNLIKELY(!cache->is_real || cache->check_level >= 3))
        return heap_malloc(bytes, NULL);
    unsigned class_index = bytes <= TINY_MAX_BYTES ? class_of_key(cache->tiny_table[(bytes + 7) / 8]) : mid_class(bytes);
    void *block = tls_cache_allocate(cache, class_index, bytes);
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
    struct tls_cache *cache = attach();
    if (__builtin_mul_overflow(count, bytes, &total))
        return finish(cache, NULL, SIZE_MAX);
    bool is_zeroed;
    void *block = finish(cache, allocate(cache, total, call_site, &is_zeroed), total);
    if (block && !is_zeroed)
        memset(block, 0, total);
    return block;
}

/* Returns false if the block is known to be free. */
static bool free_class_block(struct tls_cache *cache, const struct block_info *info, void *block)
{
    unsigned class_index = info->slab->class_index;
    if (UNLIKELY(slab_is_altered(info->slab)) && !altered_renew(block, info->usable_bytes))
        return true; /* its pages cannot be used again, so the block is never handed out again */
    bool is_sampled = info->slab->heap == central_sampled_heap();
    if (LIKELY(cache->is_real && !is_sampled)) {
        tls_cache_see_range(cache);
        if (UNLIKELY(cache->check_level >= 3) && !integrity_note_free(info->chunk, block))
            return false;
        if (class_index < OUTBOX_COUNT && info->slab->heap != cache->heap)
            tls_cache_free_foreign(cache, class_index, block);
        else
            tls_cache_free(cache, class_index, block);
    } else if (SETTING(check_level) < 2 || integrity_check_bin(NULL, 2, class_index, &block, 1, 1)) {
        central_give(NULL, &no_row, is_sampled ? info->slab->heap : 0, class_index, &block, 1);
    }
    return true;
}

static void free_block(struct tls_cache *cache, const struct block_info *info, void *block)
{
    bool done = true;
    end_sample(info, block);
    switch (info->kind) {
    case BLOCK_CLASS:
        done = free_class_block(cache, info, block);
        break;
    case BLOCK_L25:
        done = l25_pool_free(actor_of(cache), info->slab);
        break;
    case BLOCK_BIG:
        done = big_cache_free(actor_of(cache), info->chunk);
        break;
    case BLOCK_NONE:
    case BLOCK_EARLY:
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
    struct tls_cache *cache = attach();
    struct block_info info = find_block(block);
    if (UNLIKELY(info.kind == BLOCK_NONE))
        check_failed(actor_of(cache), "free", block, info.problem);
    else
        free_block(cache, &info, block);
    if (UNLIKELY(cache->is_maintenance_due)) {
        heap_maintain(cache);
        cache->is_maintenance_due = purger_is_missing(); /* a call of malloc is to start it */
    }
    errno = saved_errno;
}

bool heap_owns(const void *block)
{
    return lifecycle_is_started() && registry_find(block) != NULL;
}

size_t heap_usable_size(const void *block)
{
    if (!block)
        return 0;
    struct block_info info = find_live_block(tls_cache, block);
    if (info.kind == BLOCK_NONE)
        check_failed(actor_of(tls_cache), "malloc_usable_size", block, info.problem);
    return info.kind == BLOCK_L25 ? l25_pool_usable_bytes(info.slab) : info.usable_bytes;
}

void *heap_realloc(void *block, size_t bytes, void *call_site)
{
    if (!block)
        return heap_malloc(bytes, call_site);
    if (bytes == 0) {
        heap_free(block);
        return NULL;
    }
    struct tls_cache *cache = attach();
    struct block_info info = find_live_block(cache, block);
    if (UNLIKELY(info.kind == BLOCK_NONE)) {
        check_failed(actor_of(cache), "realloc", block, info.problem);
        errno = EINVAL;
        return NULL;
    }
    bool has_surplus = info.kind == BLOCK_BIG && info.usable_bytes - bytes >= BIG_SURPLUS_BYTES;
    if (bytes <= info.usable_bytes && bytes >= info.usable_bytes / 2 && !has_surplus) {
        if (info.kind == BLOCK_L25)
            l25_pool_note_request(info.slab, bytes);
        return block;
    }
    /* A block that changes its size where it lies is counted anew, like one that is moved. */
    if (info.kind == BLOCK_BIG && bytes > L25_MAX_BYTES && bytes <= PTRDIFF_MAX) {
        void *resized = big_cache_resize(actor_of(cache), info.chunk, bytes);
        if (resized) {
            end_sample(&info, block);
            if (resized != block)
                big_cache_leave(actor_of(cache), info.chunk);
            count_large_block(cache, resized, bytes);
            telemetry_add(resized == block ? &telemetry->global.realloc_in_place : &telemetry->global.realloc_moved, 1);
            return resized;
        }
    }
    if (info.kind == BLOCK_L25 && l25_pool_resize(actor_of(cache), info.slab, bytes)) {
        end_sample(&info, block);
        count_large_block(cache, block, bytes);
        telemetry_add(&telemetry->global.realloc_in_place, 1);
        return block;
    }
    bool is_zeroed;
    void *other = finish(cache, bytes > info.usable_bytes ? allocate_growing(cache, bytes, call_site)
                                                          : allocate(cache, bytes, call_site, &is_zeroed), bytes);
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
        return finish(attach(), NULL, SIZE_MAX);
    return heap_realloc(block, total, call_site);
}

/* Returns the smallest class of at least `bytes` whose blocks are all aligned. `bytes` is a multiple of the alignment, up
 * to 32 KiB. There are four classes in each doubling, so it is at most three classes above the one for `bytes`. */
static unsigned aligned_class(size_t alignment, size_t bytes)
{
    unsigned class_index = bytes <= TINY_MAX_BYTES
                               ? class_of_key(tiny_class_tables[PROFILE_CONSERVATIVE][(bytes + 7) / 8])
                               : mid_class(bytes);
    while (size_classes[class_index].bytes & (alignment - 1))
        class_index++;
    return class_index;
}

static void *try_memalign(struct tls_cache *cache, size_t alignment, size_t bytes, void *call_site)
{
    bool is_zeroed;
    if (UNLIKELY(!cache->is_real) && !lifecycle_is_started())
        return allocate_early(alignment, bytes);
    size_t at_least = bytes > alignment ? bytes : alignment;
    if (at_least <= MID_MAX_BYTES)
        return allocate_class(cache, aligned_class(alignment, round_up(at_least, alignment)), bytes);
    if (at_least <= L25_MAX_BYTES)
        return allocate_l25(cache, at_least, alignment, &is_zeroed);
    /* A wide alignment costs no memory: only the block's own bytes are mapped. */
    return allocate_big(cache, bytes > L25_MAX_BYTES ? bytes : L25_MAX_BYTES + 1, alignment, call_site, &is_zeroed);
}

/* Rounds the alignment up to a power of two of at least 16, as glibc's memalign does. */
static COLD void *allocate_oddly_aligned(size_t alignment, size_t bytes, void *call_site)
{
    if (alignment > PTRDIFF_MAX) {
        errno = EINVAL;
        return NULL;
    }
    return heap_memalign(power_of_two_at_least(alignment < 16 ? 16 : alignment), bytes, call_site);
}

void *heap_memalign(size_t alignment, size_t bytes, void *call_site)
{
    if (UNLIKELY(alignment == 0 || (alignment & (alignment - 1)) || alignment > PTRDIFF_MAX))
        return allocate_oddly_aligned(alignment, bytes, call_site);
    struct tls_cache *cache = attach();
    void *block = try_memalign(cache, alignment, bytes, call_site);
    if (UNLIKELY(!block) && reclaim(bytes)) {
        block = try_memalign(cache, alignment, bytes, call_site);
        memory_limit_resume();
    }
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
        return finish(attach(), NULL, bytes);
    return heap_memalign(PAGE_BYTES, bytes ? round_up(bytes, PAGE_BYTES) : PAGE_BYTES, call_site);
}
