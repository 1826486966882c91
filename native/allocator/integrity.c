/* integrity.c: keeps the bits of blocks that are known to be free. */
#include "integrity.h"

#include "checks.h"
#include "os.h"
#include "registry.h"
#include "size_class.h"

#define GRAIN_SHIFT 3
#define BITS_PER_SLAB (SLAB_BYTES >> GRAIN_SHIFT)
#define BITS_PER_CHUNK (CHUNK_BYTES >> GRAIN_SHIFT)

static _Atomic bool is_any_bit_set; /* relaxed: a thread that sets a bit sees it; other threads may see it later */

static size_t bit_of(const struct chunk *chunk, const void *block)
{
    return (size_t)((const char *)block - chunk->base) >> GRAIN_SHIFT;
}

/* Returns the bits of a chunk, which are mapped at first use, or NULL if there is no memory for them. */
static _Atomic uint64_t *words_of(struct chunk *chunk)
{
    _Atomic uint64_t *words = atomic_load_explicit(&chunk->free_bits, memory_order_acquire);
    if (LIKELY(words != NULL))
        return words;
    _Atomic uint64_t *mapped = os_map(BITS_PER_CHUNK / 8);
    if (!mapped)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&chunk->free_bits, &words, mapped, memory_order_acq_rel,
                                                memory_order_acquire))
        return mapped;
    os_unmap_metadata(mapped, BITS_PER_CHUNK / 8);
    return words;
}

static void clear_bit(struct chunk *chunk, const void *block)
{
    _Atomic uint64_t *words = atomic_load_explicit(&chunk->free_bits, memory_order_acquire);
    size_t bit = bit_of(chunk, block);
    if (words)
        atomic_fetch_and_explicit(&words[bit / 64], ~(UINT64_C(1) << (bit % 64)), memory_order_relaxed);
}

bool integrity_note_free(struct chunk *chunk, const void *block)
{
    _Atomic uint64_t *words = words_of(chunk);
    if (!words)
        return true;
    size_t bit = bit_of(chunk, block);
    atomic_store_explicit(&is_any_bit_set, true, memory_order_relaxed);
    uint64_t former = atomic_fetch_or_explicit(&words[bit / 64], UINT64_C(1) << (bit % 64), memory_order_relaxed);
    return !(former >> (bit % 64) & 1);
}

bool integrity_is_free(const struct chunk *chunk, const void *block)
{
    const _Atomic uint64_t *words = atomic_load_explicit(&chunk->free_bits, memory_order_acquire);
    size_t bit = bit_of(chunk, block);
    return words && (atomic_load_explicit(&words[bit / 64], memory_order_relaxed) >> (bit % 64) & 1);
}

void integrity_forget(void *const *blocks, unsigned count)
{
    if (LIKELY(!atomic_load_explicit(&is_any_bit_set, memory_order_relaxed)))
        return;
    for (unsigned i = 0; i < count; i++)
        clear_bit(registry_find(blocks[i]), blocks[i]);
}

static bool is_block_of(const struct slab *slab, const char *start, const void *block)
{
    const struct size_class *class = &size_classes[slab->class_index];
    size_t offset = (size_t)((const char *)block - start);
    return offset < class->span_blocks * (size_t)class->bytes && offset % class->bytes == 0;
}

/* Returns CAUSE_NONE if this is a block of the class, as far as can be told. */
static enum event_cause examine(struct chunk *chunk, unsigned class_index, const void *block)
{
    if (!chunk || chunk_kind(chunk) != CHUNK_SLABS)
        return CAUSE_FOREIGN;
    struct slab *slab = slab_of(chunk, block);
    if (slab->state != SLAB_CLASS || slab->class_index != class_index)
        return CAUSE_DOUBLE_FREE; /* its slab was released meanwhile, so the block was free already */
    return is_block_of(slab, slab_start(slab), block) ? CAUSE_NONE : CAUSE_MISALIGNED;
}

unsigned integrity_check_bin(const struct actor *actor, int64_t level, unsigned class_index, void **blocks,
                             unsigned count, unsigned flushed)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++) {
        struct chunk *chunk = registry_find(blocks[i]);
        enum event_cause problem = examine(chunk, class_index, blocks[i]);
        if (problem == CAUSE_NONE && !integrity_note_free(chunk, blocks[i]) && level < 3)
            problem = CAUSE_DOUBLE_FREE;
        if (problem == CAUSE_NONE)
            blocks[kept++] = blocks[i];
        else
            check_failed(actor, "free", blocks[i], problem);
    }
    if (level < 3 && flushed < kept)
        integrity_forget(blocks + flushed, kept - flushed);
    return kept;
}

void integrity_clear_slabs(struct chunk *chunk, unsigned first, unsigned count)
{
    _Atomic uint64_t *words = atomic_load_explicit(&chunk->free_bits, memory_order_acquire);
    if (LIKELY(!words))
        return;
    for (size_t word = first * BITS_PER_SLAB / 64; word < (first + count) * BITS_PER_SLAB / 64; word++)
        if (atomic_load_explicit(&words[word], memory_order_relaxed))
            atomic_store_explicit(&words[word], 0, memory_order_relaxed);
}

bool integrity_is_valid(struct chunk *chunk)
{
    const _Atomic uint64_t *words = atomic_load_explicit(&chunk->free_bits, memory_order_acquire);
    for (size_t word = 0; words && word < BITS_PER_CHUNK / 64; word++) {
        uint64_t bits = atomic_load_explicit(&words[word], memory_order_relaxed);
        for (; bits; bits &= bits - 1) {
            char *block = chunk->base + ((word * 64 + (unsigned)__builtin_ctzll(bits)) << GRAIN_SHIFT);
            struct slab *slab = slab_of(chunk, block);
            if (slab->state != SLAB_CLASS || !is_block_of(slab, slab_start(slab), block))
                return false;
        }
    }
    return true;
}
