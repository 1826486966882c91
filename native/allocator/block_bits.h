/* block_bits.h: two bits for each block of a slab tell whether the block is free in its central list, and whether a thread
 * of another heap has freed it (its remote bit). The bits lie beside the chunk's descriptor. Only central*.c uses them: any
 * thread sets a remote bit, and all else is done under the lock of the slab's central list.
 *
 *   chunk->block_bits --> | free: line 0 of slab 0 | of slab 1 | ... slab 31 | line 1 of slab 0 | ... line 15 | remote: ... |
 *                                 bit i of line k: block 512 k + i of the slab
 *                         mapped with the first use of the descriptor, and kept with it
 *
 * A list linked through the blocks would have to be followed from one cold block to the next. In a program that
 * frees much and allocates much again, that took two fifths of the time; and where one thread frees what another allocates,
 * each block's line went from one processor to the other twice. With bits, no free block is read or written here, blocks leave by ascending address, a program that writes to a block it has freed breaks nothing, and a block
 * that is put back a second time is noticed.
 *
 * Invariants: free_count bits are set, none of them before first_word or at bump and above. A released slab has no bit
 * set. */
#ifndef HAK_BLOCK_BITS_H
#define HAK_BLOCK_BITS_H

#include "chunk.h"
#include "size_class.h"

#include <string.h>

/* The first word of a slab's bits. */
static inline uint64_t *block_bits_of(struct slab *slab)
{
    return slab_chunk(slab)->block_bits->free[0][slab->index];
}

static inline _Atomic uint64_t *remote_bits_of(struct slab *slab)
{
    return slab_chunk(slab)->block_bits->remote[0][slab->index];
}

/* How far from a slab's first word its word number `word` lies. */
static inline size_t bit_word_place(uint32_t word)
{
    return word + word / BIT_LINE_WORDS * (size_t)((SLABS_PER_CHUNK - 1) * BIT_LINE_WORDS);
}

/* `start`: of the slab. */
static inline uint32_t block_index(const char *start, unsigned class_index, const void *block)
{
    size_t offset = (size_t)((const char *)block - start);
    return (uint32_t)(offset * size_classes[class_index].reciprocal >> 40);
}

/* Marks a block as free. Returns false if it is marked already. */
static inline bool block_bits_put(struct slab *slab, const void *block)
{
    uint32_t index = block_index(slab_start(slab), slab->class_index, block), word = index / 64;
    uint64_t *bits = block_bits_of(slab) + bit_word_place(word), bit = UINT64_C(1) << (index % 64);
    if (UNLIKELY(*bits & bit))
        return false;
    *bits |= bit;
    if (word < slab->first_word || slab->free_count == 0)
        slab->first_word = word;
    slab->free_count++;
    return true;
}

/* Marks the blocks as free whose remote bits are set, and clears these. Returns how many remote bits were set; *fresh is
 * the number of blocks that were not free already. */
static inline uint32_t block_bits_take_remote(struct slab *slab, uint32_t *fresh)
{
    uint64_t *bits = block_bits_of(slab);
    _Atomic uint64_t *remote = remote_bits_of(slab);
    uint32_t taken = 0, former = slab->free_count;
    for (uint32_t word = (size_classes[slab->class_index].span_blocks + 63) / 64; word-- > 0;) {
        size_t place = bit_word_place(word);
        if (!atomic_load_explicit(&remote[place], memory_order_relaxed))
            continue;
        uint64_t set = atomic_exchange_explicit(&remote[place], 0, memory_order_acquire), added = set & ~bits[place];
        taken += (uint32_t)__builtin_popcountll(set);
        if (UNLIKELY(!added))
            continue; /* all were freed twice */
        bits[place] |= added;
        if (word < slab->first_word || slab->free_count == 0)
            slab->first_word = word;
        slab->free_count += (uint32_t)__builtin_popcountll(added);
    }
    *fresh = slab->free_count - former;
    return taken;
}

/* Takes at most `wanted` free blocks and returns how many. Popping from the end of out[] gives ascending addresses. */
static inline unsigned block_bits_take(struct slab *slab, void **out, unsigned wanted)
{
    unsigned got = slab->free_count < wanted ? slab->free_count : wanted;
    if (got == 0)
        return 0;
    uint32_t number = slab->first_word;
    uint64_t *first = block_bits_of(slab), *word = first + bit_word_place(number), bits = *word;
    for (unsigned i = got; i-- > 0; bits &= bits - 1) {
        while (bits == 0) {
            *word = 0;
            word = first + bit_word_place(++number);
            bits = *word;
        }
        size_t index = (size_t)number * 64 + (unsigned)__builtin_ctzll(bits);
        out[i] = slab_start(slab) + index * size_classes[slab->class_index].bytes;
    }
    *word = bits;
    slab->first_word = number;
    slab->free_count -= got;
    return got;
}

static inline void block_bits_clear(struct slab *slab)
{
    for (uint32_t word = 0; word * 64 < slab->bump; word += BIT_LINE_WORDS)
        memset(block_bits_of(slab) + bit_word_place(word), 0, CACHE_LINE);
    slab->free_count = 0;
}

/* Whether the bits of all blocks [first, beyond) are set. `bits`: the slab's first word. */
static inline bool block_bits_are_set(const uint64_t *bits, uint32_t first, uint32_t beyond)
{
    while (first < beyond) {
        uint32_t offset = first % 64, count = beyond - first < 64 - offset ? beyond - first : 64 - offset;
        uint64_t mask = UINT64_MAX >> (64 - count) << offset;
        if ((bits[bit_word_place(first / 64)] & mask) != mask)
            return false;
        first += count;
    }
    return true;
}

/* Returns a bit for each page of the slab that was touched and on which no block in use lies. A slab of a size class has
 * at most 64 pages. */
static inline uint64_t block_bits_idle_pages(struct slab *slab)
{
    const struct size_class *class = &size_classes[slab->class_index];
    const uint64_t *bits = block_bits_of(slab);
    uint64_t pages = 0;
    for (unsigned page = 0; page < slab->span_slabs * (SLAB_BYTES / PAGE_BYTES); page++) {
        uint32_t start = page * (uint32_t)PAGE_BYTES, end = start + (uint32_t)PAGE_BYTES;
        uint32_t first = start / class->bytes, beyond = (end + class->bytes - 1) / class->bytes;
        bool is_untouched = slab->is_zeroed && start >= slab->bump * class->bytes;
        if (!is_untouched && block_bits_are_set(bits, first, beyond < slab->bump ? beyond : slab->bump))
            pages |= UINT64_C(1) << page;
    }
    return pages;
}

static inline bool block_bits_are_valid(struct slab *slab)
{
    const uint64_t *bits = block_bits_of(slab);
    uint32_t count = 0, beyond = 0;
    for (unsigned word = 0; word < BIT_LINES * BIT_LINE_WORDS; word++) {
        for (uint64_t rest = bits[bit_word_place(word)]; rest; rest &= rest - 1) {
            count++;
            beyond += word < slab->first_word || word * 64 + (unsigned)__builtin_ctzll(rest) >= slab->bump;
        }
    }
    return count == slab->free_count && beyond == 0;
}

#endif
