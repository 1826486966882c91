/* fast_path.h: malloc and free as long as nothing is empty, full, foreign or due. No lock, no locked
 * instruction, no setting read. override.c and api.c each inline it once.
 *
 * free, one comparison for three checks: offset = address - base, rotated right by 3, is at least
 * range bytes / 8 for an address below the range, beyond it, or not a multiple of 8. */
#ifndef HAK_FAST_PATH_H
#define HAK_FAST_PATH_H

#include "heap.h"
#include "tls_cache.h"

#include <string.h>

/* Ends in a jump, so that its caller's return address is the program's: the fast path need not load it. */
static __attribute__((noinline)) void *malloc_above_tiny(size_t bytes)
{
    if (bytes <= tls_cache->mid_max_bytes) {
        struct bin *bin = &tls_cache->bins[mid_class(bytes) + 1];
        return bin_may_pop(bin) ? bin_pop(bin) : heap_malloc_cached(bytes);
    }
    return heap_malloc(bytes, __builtin_return_address(0));
}

static inline __attribute__((always_inline)) void *fast_malloc(size_t bytes)
{
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(bytes > TINY_MAX_BYTES))
        return malloc_above_tiny(bytes);
    struct bin *bin = bin_of_key(cache, cache->tiny_table[(bytes + 7) / 8]);
    if (LIKELY(bin_may_pop(bin)))
        return bin_pop(bin);
    return heap_malloc_cached(bytes);
}

static inline __attribute__((always_inline)) void *fast_calloc(size_t count, size_t bytes, void *call_site)
{
    size_t total;
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(__builtin_mul_overflow(count, bytes, &total) || total > TINY_MAX_BYTES))
        return heap_calloc(count, bytes, call_site);
    struct bin *bin = bin_of_key(cache, cache->tiny_table[(total + 7) / 8]);
    if (UNLIKELY(!bin_may_pop(bin)))
        return heap_calloc_cached(total);
    return memset(bin_pop(bin), 0, total);
}

static inline __attribute__((always_inline)) void fast_free(void *block)
{
    struct tls_cache *cache = tls_cache;
    uint64_t offset = (uintptr_t)block - cache->range_base;
    uint64_t rotated = offset >> 3 | offset << 61;
    if (LIKELY(rotated < cache->range_limit)) {
        struct bin *bin = bin_of_key(cache, atomic_load_explicit(&cache->class_of_slab[rotated >> (SLAB_SHIFT - 3)],
                                                                 memory_order_relaxed));
        if (LIKELY(bin->top != bin->limit)) {
            bin_push(bin, block);
            return;
        }
    }
    heap_free(block);
}

#endif
