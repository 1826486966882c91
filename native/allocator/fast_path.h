/* fast_path.h: malloc, free and their kin as long as no bin is empty or full, no block is foreign and no tick is due.
 * They take no lock, use no locked instruction and read no setting. override.c and api.c each inline them once.
 *
 * One comparison makes three checks of a pointer: offset = address - base, rotated right by 3, is at least
 * range bytes / 8 if the address is below the range, beyond it, or not a multiple of 8. The table's entry for
 * the address's slab is the offset of the bin that the block is freed to. realloc and malloc_usable_size must
 * also reject an address inside a block, so they look up the shape of the slab's blocks as well (size_class.h). */
#ifndef HAK_FAST_PATH_H
#define HAK_FAST_PATH_H

#include "heap.h"
#include "tls_cache.h"

#include <string.h>

/* Returns NULL if no block of a size class begins there, or none that the fast paths know. */
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

/* malloc jumps here instead of calling, so this function's return address is the program's, and the fast path need not
 * load it. It does not call malloc_above_tiny_at, because gcc would then load the return address for every block, which
 * the golden count of a mid-size block shows. */
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

/* For callers that do more than return the block: they cannot jump to malloc_above_tiny and pass the call site. */
static inline __attribute__((always_inline)) void *fast_malloc_at(size_t bytes, void *call_site)
{
    struct tls_cache *cache = tls_cache;
    if (UNLIKELY(bytes > TINY_MAX_BYTES))
        return malloc_above_tiny_at(bytes, call_site);
    return malloc_tiny(cache, bytes);
}

/* Returns the bin whose blocks have that alignment and at least that many bytes, or NULL if the fast paths have none. Up to
 * TINY_MAX_BYTES the class of a multiple of a power of two is a multiple of it as well, and slabs are aligned to more
 * (size_classes.def; tests/contracts/cxx_rules.cpp tries all). */
static inline __attribute__((always_inline)) struct bin *aligned_bin(struct tls_cache *cache, size_t alignment, size_t bytes)
{
    size_t last = (bytes - 1) | (alignment - 1); /* the last byte, rounded up; for 0 bytes, above any limit */
    if (UNLIKELY((alignment & (alignment - 1)) || last >= TINY_MAX_BYTES))
        return NULL;
    return bin_of_key(cache, cache->aligned_table[last / 8 + 1]);
}

static inline __attribute__((always_inline)) void *fast_memalign(size_t alignment, size_t bytes, void *call_site)
{
    struct bin *bin = aligned_bin(tls_cache, alignment, bytes);
    return LIKELY(bin && bin_may_pop(bin)) ? bin_pop(bin) : heap_memalign(alignment, bytes, call_site);
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

/* Returns false if the bin is full or the block is not of a size class; the block is then still to be freed. */
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

/* How many bytes the program may use of the block; 0 for NULL. */
static inline __attribute__((always_inline)) size_t fast_usable_size(const void *block)
{
    const struct block_shape *shape = shape_of(tls_cache, block);
    return LIKELY(shape != NULL) ? shape->bytes : heap_usable_size(block);
}

/* Blocks of size classes are multiples of 16 bytes and aligned to 16, except those of 8 bytes. */
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

/* For 0 < bytes <= 32 KiB and a block of a size class that would be too small or less than half full. */
static __attribute__((noinline)) void *move_block(void *block, size_t bytes, const struct block_shape *shape)
{
    struct tls_cache *cache = tls_cache;
    uint16_t key =
        bytes <= TINY_MAX_BYTES ? cache->tiny_table[(bytes + 7) / 8] : cache->mid_table[(bytes - 1) / MID_STEP_BYTES];
    size_t new_bytes = block_shape(key)->bytes;
    if (new_bytes == shape->bytes) /* less than half full, but no smaller class holds that many bytes */
        return block;
    struct bin *bin = bin_of_key(cache, key);
    void *other = LIKELY(bin_may_pop(bin)) ? bin_pop(bin) : heap_malloc_cached(bytes);
    if (UNLIKELY(!other))
        return NULL;
    copy_block(other, block, new_bytes < shape->bytes ? new_bytes : shape->bytes);
    fast_free(block);
    return other;
}

/* Leaves the block in place if it stays at least half full. `otherwise` is called for any pointer that is not a block of
 * a size class. */
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
