/* bin.h: a stack of free blocks of one size class, and the cache of a thread, which has one for each class.
 *
 *            base           floor        top          limit        base + capacity
 *             |  ...blocks... |  ..blocks.. |   ..room..  |  ...room...  |
 *
 * malloc pops at top unless top == floor; free pushes unless top == limit. floor and limit are either the ends (empty,
 * full) or the next fill that would make the known swing larger. A call that would cross one of them takes the slow
 * path, which notes the fill and moves the mark on. So watermarks cost the fast path nothing.
 *
 * A decision to grow or to shrink looks at the usage: the swing of the fill since the last decision, as a share of the
 * capacity. The swing is the highest fill less the lowest, without what refills added and flushes removed. It is noted in
 * steps of a tenth of the capacity. Once it proves that the bin should grow, floor and limit go to the ends, and nothing
 * more is noted. While ghosts run, floor and limit also stand where the next ghost has to be moved (ghosts.h). */
#ifndef HAK_BIN_H
#define HAK_BIN_H

#include "base.h"
#include "range.h"
#include "settings.h"
#include "size_class.h"
#include "telemetry.h"

#define BIN_COUNT SIZE_CLASS_COUNT       /* without the outboxes, which follow the bins in tls_cache.bins */
#define BIN_SMALL_SLOTS 64               /* a bin of at most so many slots has them in the cache itself */
#define OUTBOX_SLOTS 64                  /* room for a few groups of remote.batch blocks */
#define ALLOCATIONS_PER_LOOK 4096        /* after so many a thread looks at the settings' generation */
#define MAINTENANCE_PERIOD_MS 100        /* how often a busy thread looks after idle memory */
#define UPKEEP_BYTES (CHUNK_BYTES / 2)   /* less free memory is not looked for */

struct bin {
    _Alignas(CACHE_LINE) void **top;
    void **limit, **floor, **base;
    uint32_t countdown; /* allocations until the next tick; never 0 outside the slow path */
    uint32_t granted;   /* what the countdown began with */
    uint32_t capacity;
    /* Position = fill - adjust: what the thread freed minus what it allocated, whatever refills and flushes did. Positions
     * wrap around; only differences are meaningful. */
    uint32_t adjust; /* what refills added minus what flushes removed */
    uint32_t low, high; /* lowest and highest position since the last decision */
    uint16_t exchanges, flushes; /* since the last decision; exchanges: refills and flushes together */
    uint8_t is_settled; /* the swing already proves that the bin should grow */
    uint8_t class_index;
    uint8_t is_keep_told; /* TLS_KEEP was appended since the last change and the last sweep */
};
_Static_assert(sizeof(struct bin) == CACHE_LINE && CACHE_LINE == BIN_BYTES, "one bin, one cache line");

/* Members that the fast paths read lie or begin in the first 128 bytes: such an offset takes one byte of an
 * instruction, so that malloc and free fit in one cache line each (tests/counts). */
struct tls_cache {
    struct bin none; /* the bin of NO_CLASS_KEY: always empty and full */
    /* The fast paths read these; they change only when settings are adopted or the range has grown. */
    const _Atomic uint16_t *class_of_slab; /* the table of the cache's heap (superslab.h) */
    uintptr_t range_base;
    uint64_t range_limit; /* range_bytes() / 8 as last seen: fast_path.h */
    size_t mid_max_bytes; /* MID_MAX_BYTES, or 0 where mid blocks take the slow path */
    uint16_t tiny_table[TINY_TABLE_ENTRIES]; /* a copy of the current route profile's table, which saves a load */
    uint8_t is_real;                         /* 0 in the stand-in of threads without a cache */
    uint8_t heap;
    struct actor actor;
    struct bin bins[BIN_COUNT + OUTBOX_COUNT];
    uint16_t aligned_table[TINY_TABLE_ENTRIES]; /* as tiny_table, but of the profile in which no class has another's blocks */
    uint16_t mid_table[MID_TABLE_ENTRIES]; /* a copy of mid_class_table, which never changes */
    uint32_t used_bins, grant; /* the number of bins with slots, and the countdown that each of them gets */
    uint64_t generation; /* the adopted generation of settings */
    uint64_t drains;     /* how many drains had been asked for when this cache last drained */
    uint64_t next_look;  /* the cache looks at the clock again when actor.operations reaches this */
    uint32_t last_sweep_ms, last_maintenance_ms;
    uint32_t fresh_slabs;         /* slabs taken with untouched or purged pages since idle bins last gave blocks back */
    uint8_t is_active[BIN_COUNT]; /* accounted allocations from the bin since then */
    uint32_t decided_at[BIN_COUNT]; /* ghost_clock when the bin last decided */
    uint8_t is_maintenance_due; /* heap_upkeep.c is to purge and write the log */
    uint8_t goes_home; /* the thread ends or drains: each block goes to its own heap, not to the magazine */
    uint8_t route_profile, check_level; /* as adopted; at check.level 3 both fast paths are off */
    uint64_t cached_bytes;      /* as published */
    uint64_t sample_interval_bytes; /* sampler.h; 0: off */
    uint64_t sample_random;
    double until_large_sample; /* bytes of blocks above 32 KiB */
    uint32_t sample_at[BIN_COUNT]; /* the number of the thread's allocation of the class that is sampled next */
    struct ghosts *ghosts;      /* NULL unless ghost.enable is on, or tls.policy is marginal */
    struct ghosts *spare_ghosts; /* their memory, which is kept while they are off */
    struct telemetry_thread *row, *spare_row;
    void **small_slots_of[BIN_COUNT]; /* NULL until the bin first has small slots */
    uint32_t small_slots_taken;
    void **large_slots[BIN_COUNT]; /* TLS_MOST_SLOTS each, mapped when the bin first outgrows its small slots */
    struct tls_cache *next_unused;
    struct tls_cache *made_before; /* written before the cache is in tls_caches */
    /* Bins get their small slots in the order of their first use, so that a thread that uses few classes touches few pages. */
    void *small_slots[BIN_COUNT][BIN_SMALL_SLOTS];
    void *outbox_slots[OUTBOX_COUNT][OUTBOX_SLOTS];
};

_Static_assert(offsetof(struct tls_cache, none) == NO_CLASS_KEY && offsetof(struct tls_cache, bins) == BINS_OFFSET,
               "keys are offsets");

static inline int32_t fill_of(const struct bin *bin)
{
    return (int32_t)(bin->top - bin->base);
}

static inline uint32_t position_of(const struct bin *bin)
{
    return (uint32_t)fill_of(bin) - bin->adjust;
}

static inline struct bin *outbox_of(struct tls_cache *cache, unsigned class_index)
{
    return &cache->bins[BIN_COUNT + class_index];
}

/* Returns false if the caller must take the slow path: the bin is at its floor, or a tick is due. If a tick is due,
 * countdown is 0 and the caller's allocation is already counted. */
static inline bool bin_may_pop(struct bin *bin)
{
    return LIKELY(bin->top != bin->floor) && LIKELY(--bin->countdown != 0);
}

static inline struct bin *bin_of_key(struct tls_cache *cache, uint16_t key)
{
    return (struct bin *)((char *)cache + key);
}

static inline void *bin_pop(struct bin *bin)
{
    void **top = bin->top;
    /* This makes gcc lower `top` in memory, by one instruction instead of two. */
    __asm__("" : "+m"(bin->top));
    bin->top--;
    return top[-1];
}

static inline void bin_push(struct bin *bin, void *block)
{
    *bin->top = block;
    __asm__("" : "+m"(bin->top));
    bin->top++;
}

#endif
