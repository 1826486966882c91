/* chunk.h: the descriptors of 2 MiB chunks and of the 64 KiB slabs in them. superslab.h says how they are used. */
#ifndef HAK_CHUNK_H
#define HAK_CHUNK_H

#include "base.h"

enum tier { TIER_HOT, TIER_DRAINING, TIER_FREE };
enum chunk_kind { CHUNK_NONE, CHUNK_SLABS, CHUNK_BIG };
#define NO_RUN 6u /* best_run of a chunk that is in no list */
/* The lists of central.h. */
enum slab_list { SLAB_UNLISTED, SLAB_PARTIAL, SLAB_COLD, SLAB_PURGING, SLAB_LIST_COUNT };
enum slab_activity { SLAB_TOUCHED, SLAB_IDLE, SLAB_LOOKED_THROUGH };
enum slab_state { SLAB_FREE, SLAB_CLASS, SLAB_L25, SLAB_INTERIOR };

struct slab {
    /* The owner's line, under the lock of central[heap][class] or of the L2.5 shard. */
    _Alignas(CACHE_LINE) uint32_t free_count; /* number of free blocks, which block_bits.h marks */
    uint32_t first_word; /* words of the block bits before this one are 0 */
    uint32_t used;       /* number of blocks at users, in caches and in flight */
    uint32_t bump;       /* blocks from this index on were never handed out */
    struct slab *next, *previous;
    uint8_t list;      /* enum slab_list */
    uint8_t is_zeroed; /* when it was acquired, its pages were untouched or purged */
    /* Written before a block is handed out; whoever holds a block of the slab reads these plainly. */
    uint8_t state;       /* enum slab_state */
    uint8_t class_index; /* CLASS: size class; L25: class of the pool */
    uint8_t span_slabs;
    uint8_t head_offset; /* INTERIOR: the span starts so many slabs before this one */
    uint8_t heap;
    uint8_t index;         /* in its chunk */
    uint32_t chunk_entry;  /* index of the chunk's descriptor in the registry */
    uint32_t idle_since_ms; /* low 32 bits. L25: when it was freed; CLASS: when it was first seen IDLE */
    uint64_t purged_pages;  /* CLASS: bit i: page i was given back since blocks were last taken */
    uint8_t activity;       /* CLASS: enum slab_activity: whether blocks were taken or given back lately */
    _Atomic uint8_t is_altered; /* altered.h */
    uint8_t is_sampled;         /* L25: its allocation is a sample; the thread that has the block uses it */
    uint32_t requested_bytes; /* L25: as the user requested, rounded up to pages */
    /* The remote line, which any thread writes. remote_count: blocks that threads of other heaps are about to mark, or have
     * marked, in the remote bits (block_bits.h). Added to and subtracted from, acq_rel (central.c). */
    _Alignas(CACHE_LINE) _Atomic uint32_t remote_count;
    struct slab *pending_next; /* written by the thread that raised remote_count from 0 */
};
_Static_assert(sizeof(struct slab) == 2 * CACHE_LINE, "an owner line and a remote line");

/* What the copies of the BigCache had for a block at the user (big_copies.h): up to BIG_COPIED blocks. */
#define BIG_COPIED 3
struct big_copied {
    uint32_t frames, pages;
    uint16_t uses;
    uint16_t copies; /* bit i: copy i had this one; 0: there is none */
};

#define BIT_LINE_WORDS (CACHE_LINE / 8)
#define BIT_LINES (SLAB_BYTES / 8 / 64 / BIT_LINE_WORDS) /* for each slab; enough for blocks of 8 bytes, the smallest */

/* The first lines of all slabs lie together, then the second lines, and so on. So slabs whose blocks have 128 bytes or more
 * share one page of bits. */
struct block_bits {
    uint64_t free[BIT_LINES][SLABS_PER_CHUNK][BIT_LINE_WORDS];
    _Atomic uint64_t remote[BIT_LINES][SLABS_PER_CHUNK][BIT_LINE_WORDS]; /* set release, taken by exchange acquire */
};

struct chunk {
    char *base;
    uint32_t entry_index; /* its index in the registry, which never changes */
    uint32_t frames;      /* 2 MiB units; 1 for CHUNK_SLABS */
    uint32_t free_mask, dirty_mask;
    uint32_t claimed_mask; /* slabs whose pages are being given back, while is_purging */
    _Atomic uint8_t kind;   /* relaxed; set to SLABS, and set back from it, under the superslab lock */
    uint8_t tier, best_run; /* best_run: log2 of the largest aligned free run, or NO_RUN */
    uint8_t in_range;
    uint8_t is_sampled;   /* BIG: as in a slab */
    uint8_t is_patchwork; /* BIG: it consists of several mappings (pages were moved here, or few of its frames are huge) */
    uint8_t is_purging; /* its pages are being given back without the lock; meanwhile it is in no list */
    /* Huge pages were asked for in so many frames, from the first on. SLABS: cleared, by a relaxed exchange, when memory of
     * the chunk is first given back. BIG: plain, as the size is. */
    _Atomic uint32_t huge_frames;
    _Atomic uint8_t is_altered; /* BIG: altered.h */
    uint32_t idle_since_ms; /* low 32 bits: the last time a slab became free */
    struct chunk *next, *previous;
    /* CHUNK_BIG only (big_cache.h): */
    uint64_t call_site;
    size_t requested_bytes; /* from the chunk's start to the end of the user's block, rounded up to pages */
    size_t touched_bytes;   /* at most so many bytes from the chunk's start are resident */
    uint32_t color_bytes; /* from the chunk's start to the user's block (big_cache.h) */
    uint32_t hash; /* hash of its class and call site, while it is in the table */
    uint32_t uses; /* how often it was taken from the cache */
    struct big_copied copied[BIG_COPIED];
    struct chunk *bucket_next, *bucket_previous, *list_next, *list_previous;
    _Atomic uint32_t big_state; /* enum big_state; a free claims the block by CAS */
    struct block_bits *block_bits; /* block_bits.h; kept when the descriptor is reused */
    _Atomic(_Atomic uint64_t *) free_bits; /* integrity.h; kept when it is reused. Store release, load acquire */
    _Alignas(CACHE_LINE) struct slab slabs[SLABS_PER_CHUNK]; /* CHUNK_SLABS only; other kinds do not touch them */
};

static inline unsigned chunk_kind(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->kind, memory_order_relaxed);
}

static inline void chunk_set_kind(struct chunk *chunk, enum chunk_kind kind)
{
    atomic_store_explicit(&chunk->kind, (uint8_t)kind, memory_order_relaxed);
}

static inline struct slab *slab_of(struct chunk *chunk, const void *address)
{
    struct slab *slab = &chunk->slabs[((uintptr_t)address >> SLAB_SHIFT) & (SLABS_PER_CHUNK - 1)];
    return slab - slab->head_offset;
}

static inline struct chunk *slab_chunk(struct slab *slab)
{
    return (struct chunk *)((char *)(slab - slab->index) - offsetof(struct chunk, slabs));
}

static inline char *big_block(const struct chunk *chunk)
{
    return chunk->base + chunk->color_bytes;
}

static inline char *slab_start(struct slab *slab)
{
    return slab_chunk(slab)->base + slab->index * SLAB_BYTES;
}

#endif
