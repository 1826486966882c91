/* superslab.h: chunks of 2 MiB cut into 32 slabs of 64 KiB, their tiers, and address space for them.
 *
 *   chunk:  | slab 0 | slab 1 | ... | slab 31 |     free_mask: bit i set = slab i is free
 *   span:   1, 2, 4, 8, 16 slabs, aligned to its size; its first slab's descriptor describes it,
 *           the others point back (head_offset)
 *   big:    a run of whole frames that holds one big block (big_cache.h); has no slabs
 *
 * There is no header inside the 2 MiB: descriptors live in the registry's segments.
 *
 * Chunks with free slabs are kept in lists by their largest aligned free run, so that a span is found
 * at once and from the tightest chunk (best fit). HOT chunks (more than ss.drain_percent busy, or
 * new) serve; DRAINING ones only take frees, until pressure makes the fullest of them HOT again; FREE
 * ones are reused first and given back after ss.purge_delay_ms, all but ss.retain_chunks.
 *
 * Invariants (superslab_is_valid): busy slabs = 32 - popcount(free_mask); dirty_mask is a subset of
 * free_mask; tier FREE <=> free_mask is full; a chunk is in exactly one list unless full.
 *
 * Locks: superslab_lock guards chunks, masks, tiers and lists; frames_lock guards address space.
 * The owner of a slab's content is the class (central.h) or the shard (l25_pool.h) that acquired it. */
#ifndef HAK_SUPERSLAB_H
#define HAK_SUPERSLAB_H

#include "base.h"
#include "registry.h"

enum tier { TIER_HOT, TIER_DRAINING, TIER_FREE };
enum chunk_kind { CHUNK_NONE, CHUNK_SLABS, CHUNK_BIG };
enum slab_state { SLAB_FREE, SLAB_CLASS, SLAB_L25, SLAB_INTERIOR };

struct slab {
    /* The owner's line: under the lock of central[heap][class], or of the L2.5 shard. */
    _Alignas(CACHE_LINE) void *free_list; /* blocks given back, linked through their first word */
    uint32_t used;                        /* blocks at users, in caches, in flight */
    uint32_t bump;                        /* blocks from here on were never handed out */
    struct slab *next, *previous;
    uint8_t is_listed;
    uint8_t is_zeroed; /* at acquisition: its pages were never touched, or were purged */
    /* Written before a block escapes, plain reads by anyone who holds a block of it. */
    uint8_t state;       /* enum slab_state */
    uint8_t class_index; /* CLASS: size class; L25: class of the pool */
    uint8_t span_slabs;
    uint8_t head_offset; /* INTERIOR: how many slabs before this one the span starts */
    uint8_t heap;
    uint8_t index;         /* in its chunk */
    uint32_t chunk_entry;  /* of the registry */
    uint32_t idle_since_ms; /* L25: when it was freed, low 32 bits */
    /* The remote line: anybody. remote_head: push CAS release, take-all exchange acquire; the address
     * of the first block in the low 48 bits, how many are linked behind it above (central.c). */
    _Alignas(CACHE_LINE) _Atomic uint64_t remote_head;
    struct slab *pending_next; /* owned by whoever made remote_head non-empty */
};
_Static_assert(sizeof(struct slab) == 2 * CACHE_LINE, "an owner line and a remote line");

struct chunk {
    char *base;
    uint32_t entry_index; /* in the registry, for ever */
    uint32_t frames;      /* 2 MiB units; 1 for CHUNK_SLABS */
    uint32_t free_mask, dirty_mask;
    _Atomic uint8_t kind;   /* relaxed; SLABS only while the superslab lock was held to say so */
    uint8_t tier, best_run; /* best_run: log2 of the largest aligned free run, 6: none */
    uint8_t in_range;
    uint8_t is_patchwork; /* BIG: pages were moved here, it consists of several mappings */
    uint8_t is_purging; /* its clean-up runs without the lock; not to be released meanwhile */
    uint32_t idle_since_ms; /* low 32 bits: the last time a slab became free */
    struct chunk *next, *previous;
    /* CHUNK_BIG only (big_cache.h): */
    uint64_t call_site;
    size_t requested_bytes; /* at the user, page rounded */
    size_t touched_bytes;   /* may be resident: at most this from the start */
    struct chunk *bucket_next, *bucket_previous, *list_next, *list_previous;
    uint32_t uses;              /* how often it was taken from the cache */
    _Atomic uint32_t big_state; /* at the user, cached or neither: a free claims it by CAS */
    _Alignas(CACHE_LINE) struct slab slabs[SLABS_PER_CHUNK]; /* CHUNK_SLABS only; untouched otherwise */
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

static inline char *slab_start(struct slab *slab)
{
    return slab_chunk(slab)->base + slab->index * SLAB_BYTES;
}

/* class_of_slab[(address - range.base) >> 16]: size class + 1 of the slab there, 0 for anything that
 * is not a block of a size class: what the fast path of free looks at. Written before a block
 * escapes and after the last came back. */
extern _Atomic uint8_t *class_of_slab;

bool superslab_start(void);

/* A span of span_slabs (1, 2, 4, 8, 16), state and class set, `used`, lists and bump cleared, or NULL:
 * no memory, or ss.max_chunks reached. now_ms: the caller's clock (time or operations). */
struct slab *superslab_acquire(const struct actor *actor, unsigned span_slabs, enum slab_state state,
                               unsigned class_index, unsigned heap);
/* Gives a span back; no block of it may be out. */
void superslab_release(const struct actor *actor, struct slab *slab, uint32_t now_ms);

/* Gives back what has been idle for ss.purge_delay_ms (all idle memory if `everything`).
 * Returns the bytes given back. Takes and drops the lock; system calls are made without it. */
size_t superslab_purge(const struct actor *actor, uint32_t now_ms, bool everything);

/* A run of whole frames for a big block, aligned to `alignment` (a power of two), registered as
 * CHUNK_BIG; NULL on failure. *is_zeroed: its pages are known to be zero. */
struct chunk *superslab_map_big(const struct actor *actor, size_t bytes, size_t alignment, bool *is_zeroed);
/* Makes it longer in place if the frames behind it are free. */
bool superslab_extend_big(struct chunk *chunk, size_t bytes);
/* Purges its pages, returns its address space. */
void superslab_unmap_big(const struct actor *actor, struct chunk *chunk);

bool superslab_is_valid(void);
void superslab_acquire_locks(void);
void superslab_release_locks(void);
void superslab_reset_locks(void);

#endif
