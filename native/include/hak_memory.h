/* hak_memory.h: where a reader outside the process finds the allocator's records, to tell what each of its resident pages
 * holds. The publisher has one struct hak_memory; the header of its control block says where (hak_block.h).
 *
 *   header.memory_layout -> struct hak_memory -> segments[] -> segment 0: first_segment_entries descriptors of chunks
 *                                                           -> segment k: as many as all segments before it
 *   descriptor of a chunk: base, frames (2 MiB each), kind, slabs[]; chunk->bits: line 0 of each slab, line 1 of each slab, ...;
 *                          bit i of a slab's lines, which follow each other every bits_stride bytes: block i is free
 *   struct hak_memory.caches -> the cache made last -> the one made before -> ...; each has bins[], stacks of free blocks
 *
 * It says at which offsets the fields of the publisher's own structures lie, so that reader and publisher need not be of
 * the same version. A later version only appends; `bytes` tells how long this one is.
 *
 * Memory orders: struct hak_memory is complete before the header names it (store release), and never changes. A segment is
 * stored before entries_ever counts its descriptors (store release); a reader reads entries_ever first. A cache is linked to
 * those before it before it is the first (store release), and is never unlinked. All other words are
 * plain or relaxed words of the allocator, written under its locks, which a reader cannot take. So it may see some fields
 * of a descriptor from before a change and some from after it. No word is wider than 8 bytes, and each is aligned, so it
 * sees no half of one. Whoever reads them must check each value before use. */
#ifndef HAK_MEMORY_H
#define HAK_MEMORY_H

#include <stdint.h>

#define HAK_MEMORY_MOST_CLASSES 64

struct hak_memory {
    uint32_t bytes; /* sizeof(struct hak_memory) of the publisher */
    uint32_t chunk_bytes, chunk_slabs; /* a chunk has so many slabs; a frame is as large as a chunk */
    uint32_t class_count;
    uint64_t frames_start; /* from here to the header's memory_end lie chunks, before it records; 0: they lie anywhere */
    uint64_t static_start, static_end; /* the allocator's static data */
    uint64_t segments, entries_ever;   /* addresses: of an array of pointers, of a word of 32 bits */
    uint32_t first_segment_entries;    /* a power of two */
    /* Offsets in a descriptor: 8 bytes each for base and bits, 4 for frames and big_state, 1 for kind. */
    uint32_t chunk_stride, chunk_base, chunk_frames, chunk_kind, chunk_big_state, chunk_bits, chunk_slabs_offset;
    /* Offsets in a slab: 4 bytes each for used, bump and remote_count, the number of blocks that threads of other heaps
     * freed; 1 each for state, class and span. The first slab of a span speaks for all of it. */
    uint32_t slab_stride, slab_used, slab_bump, slab_remote_count, slab_state, slab_class, slab_span;
    uint32_t kind_slabs, kind_big;     /* values of kind; the others have nothing to read */
    uint32_t state_class, state_large; /* values of state: blocks of a size class; one block, at the user if used is 1 */
    uint32_t big_at_user, big_cached;  /* values of big_state; others are about to go */
    uint32_t class_bytes[HAK_MEMORY_MOST_CLASSES]; /* of the blocks of each class */
    uint64_t caches; /* address of a pointer to the thread's cache that was made last, whether its thread lives or not */
    /* Offsets in a cache: 8 bytes for next, the cache made before. It has a bin for each class, and then bins for the first
     * classes again, whose blocks are on their way home. In a bin: 8 bytes each for top and base, addresses of slots of 8
     * bytes. Each slot from base up to top has a free block. */
    uint32_t cache_next, cache_bins, cache_bin_count, bin_stride, bin_top, bin_base;
    uint32_t bits_line_bytes, bits_stride; /* length of a line of bits; from a slab's line to its next one */
};

#endif
