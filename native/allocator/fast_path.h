/* fast_path.h: malloc, free and their kin as long as nothing is empty, full, foreign or due. No lock, no
 * locked instruction, no setting read. override.c and api.c each inline it once.
 *
 * Whose block, one comparison for three checks: offset = address - base, rotated right by 3, is at least
 * range bytes / 8 for an address below the range, beyond it, or not a multiple of 8. What the table then
 * has for its slab is the offset of the bin to free it to; realloc and malloc_usable_size, which may not
 * take an address inside a block at its word, ask for its shape as well (size_class.h). */
#ifndef HAK_FAST_PATH_H
#define HAK_FAST_PATH_H

#include "heap.h"
#include "tls_cache.h"

#include <string.h>

/* NULL: no block of a size class begins there, or none that is known here. */
static inline __attribute__((always_inline)) const struct block_shape *shape_of(const struct tls_cache *cache, const void *block)
{
    uint64_t offset = (uintptr_t)block - cache->range_base;
    uint64_t rotated = offset >> 3 | offset << 61;
    if (UNLIKELY(rotated >= cache->range_limit))
        return NULL;
    const struct block_shape *shape = block_shape(
        atomic_load_explicit(&cache->class_of_slab[rotated >> (SLAB_SHIFT - 3)], memory_order_relaxed));
    return LIKELY(is_block_start(shape, block)) ? shape : NULL;
}

static __attribute__((noinline)) void *malloc_above_tiny_at(size_t bytes, void *call_site)
{
    if (bytes <= tls_cache->mid_max_bytes) {
        struct bin *bin = bin_of_key(tls_cache, tls_cache->mid_table[(bytes - 1) / MID_STEP_BYTES]);
        return bin_may_pop(bin) ? bin_pop(bin) : heap_malloc_cached(bytes);
    }
    return heap_malloc(bytes, call_site);
}

/* Ends in a jump, so that its caller's return address is the program's: the fast path need not load it. Not
 * made of the one above: gcc then loads it for every block, and a mid block's golden count tells. */
static __attribute__((noinline)) void *malloc_above_tiny(size_t bytes)
{
    if (bytes <= tls_cache->mid_max_bytes) {
        struct bin *bin = bin_of_key(tls_cache, tls_cache->mid_table[(bytes - 1) / MID_STEP_BYTES]);
        return bin_may_pop(bin) ? bin_pop(bin) : heap_malloc_cached(bytes);
    }
    return heap_malloc(bytes, __builtin_return_address(0));
}

static inline __attribute__((always_inline)) void *malloc_tiny(struct tls_cache *cache, size_t bytes)
{
    struct bin *bin = bin_of_key(cache, cache->tiny_table[(bytes + 7) / 8]);
    return LIKELY(bin_may_pop(bin)) ? bin_pop(bin) : heap_malloc_cached(bytes);
}

static inline __attribute__((always_inline)) void *fast_malloc(size_t bytes)
{
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(bytes > TINY_MAX_BYTES))
        return malloc_above_tiny(bytes);
    return malloc_tiny(cache, bytes);
}

/* For callers that do more than return the block. */
static inline __attribute__((always_inline)) void *fast_malloc_at(size_t bytes, void *call_site)
{
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(bytes > TINY_MAX_BYTES))
        return malloc_above_tiny_at(bytes, call_site);
    return malloc_tiny(cache, bytes);
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

/* False: not done. */
static inline __attribute__((always_inline)) bool try_free_cached(struct tls_cache *cache, void *block)
{
    uint64_t offset = (uintptr_t)block - cache->range_base;
    uint64_t rotated = offset >> 3 | offset << 61;
    if (LIKELY(rotated < cache->range_limit)) {
        struct bin *bin = bin_of_key(cache, atomic_load_explicit(&cache->class_of_slab[rotated >> (SLAB_SHIFT - 3)],
                                                                 memory_order_relaxed));
        if (LIKELY(bin->top != bin->limit)) {
            bin_push(bin, block);
            return true;
        }
    }
    return false;
}

static inline __attribute__((always_inline)) void fast_free(void *block)
{
    if (UNLIKELY(!try_free_cached(tls_cache, block)))
        heap_free(block);
}

/* What the block may hold; 0 for NULL. */
static inline __attribute__((always_inline)) size_t fast_usable_size(const void *block)
{
    const struct block_shape *shape = shape_of(tls_cache, block);
    return LIKELY(shape != NULL) ? shape->bytes : heap_usable_size(block);
}

/* Blocks of size classes are multiples of 16 bytes and aligned to 16, but for those of 8. */
static inline void copy_block(void *to, const void *from, size_t bytes)
{
    typedef long long vector __attribute__((vector_size(16), may_alias));
    if (bytes == 8 || bytes > 64) {
        memcpy(to, from, bytes);
        return;
    }
    for (size_t done = 0; done < bytes; done += 16)
        *(vector *)((char *)to + done) = *(const vector *)((const char *)from + done);
}

/* For 0 < bytes <= 32 KiB, and a block of a size class that is not to stay where it is for that. */
static __attribute__((noinline)) void *move_block(void *block, size_t bytes, const struct block_shape *shape)
{
    struct tls_cache *cache = tls_cache;
    uint16_t key =
        bytes <= TINY_MAX_BYTES ? cache->tiny_table[(bytes + 7) / 8] : cache->mid_table[(bytes - 1) / MID_STEP_BYTES];
    size_t new_bytes = block_shape(key)->bytes;
    if (new_bytes == shape->bytes) /* small already: there is no smaller class for it */
        return block;
    struct bin *bin = bin_of_key(cache, key);
    void *other = LIKELY(bin_may_pop(bin)) ? bin_pop(bin) : heap_malloc_cached(bytes);
    if (UNLIKELY(!other))
        return NULL;
    copy_block(other, block, new_bytes < shape->bytes ? new_bytes : shape->bytes);
    fast_free(block);
    return other;
}

/* In place from half the block's size on. `otherwise`: what is no block of a size class. */
static inline __attribute__((always_inline)) void *realloc_cached(struct tls_cache *cache, void *block, size_t bytes,
                                                                  void *call_site,
                                                                  void *(*otherwise)(void *, size_t, void *))
{
    const struct block_shape *shape = shape_of(cache, block);
    if (UNLIKELY(!shape))
        return otherwise(block, bytes, call_site);
    size_t half = shape->bytes / 2; /* a block's size is even */
    if (bytes - half <= half)
        return block;
    if (LIKELY(bytes - 1 < cache->mid_max_bytes))
        return move_block(block, bytes, shape);
    return heap_realloc(block, bytes, call_site);
}

static inline __attribute__((always_inline)) void *realloc_other(void *block, size_t bytes, void *call_site)
{
    return LIKELY(!block) ? fast_malloc_at(bytes, call_site) : heap_realloc(block, bytes, call_site);
}

static inline __attribute__((always_inline)) void *fast_realloc(void *block, size_t bytes, void *call_site)
{
    return realloc_cached(tls_cache, block, bytes, call_site, realloc_other);
}

static inline __attribute__((always_inline)) void *fast_reallocarray(void *block, size_t count, size_t bytes, void *call_site)
{
    size_t total;
    if (UNLIKELY(__builtin_mul_overflow(count, bytes, &total)))
        return heap_reallocarray(block, count, bytes, call_site);
    return fast_realloc(block, total, call_site);
}

#endif
