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
 * more is noted. */
#ifndef HAK_BIN_H
#define HAK_BIN_H

#include "base.h"
#include "range.h"
#include "settings.h"
#include "size_class.h"
#include "telemetry.h"

#define BIN_COUNT SIZE_CLASS_COUNT       /* outboxes follow */
#define BIN_SMALL_SLOTS 64               /* up to here slots lie in the cache itself */
#define OUTBOX_SLOTS 64                  /* some groups of remote.batch blocks */
#define ALLOCATIONS_PER_LOOK 4096
#define MAINTENANCE_PERIOD_MS 100        /* how often a busy thread looks after idle memory */

struct bin {
    _Alignas(CACHE_LINE) void **top;
    void **limit, **floor, **base;
    uint32_t countdown; /* allocations until the next tick; never 0 outside the slow path */
    uint32_t granted;   /* what the countdown began with */
    uint32_t capacity;
    /* Of the period since the last decision, in blocks: virtual fill = fill - adjust. */
    int32_t adjust; /* what refills added minus what flushes removed */
    int32_t low, high;
    uint16_t exchanges, flushes; /* refills and flushes; flushes alone */
    uint8_t is_settled; /* the swing already proves growth */
    uint8_t class_index;
    uint8_t is_keep_told; /* TLS_KEEP was appended since the last change, and the last sweep */
};
_Static_assert(sizeof(struct bin) == CACHE_LINE && CACHE_LINE == BIN_BYTES, "one bin, one cache line");

/* What the fast paths reach lies in the first 128 bytes, or begins there: such offsets are one byte of an
 * instruction, and malloc and free fit a cache line each (tests/counts). */
struct tls_cache {
    struct bin none; /* of NO_CLASS_KEY: always empty and full */
    /* What the fast paths read; constant between settings. */
    const _Atomic uint16_t *class_of_slab; /* as the cache's heap sees it */
    uintptr_t range_base;
    uint64_t range_limit; /* range_bytes() / 8 as last seen: fast_path.h */
    size_t mid_max_bytes; /* MID_MAX_BYTES, or 0 where mid blocks take the slow path */
    uint16_t tiny_table[TINY_TABLE_ENTRIES]; /* a copy of the route profile's in force: one load less */
    uint8_t is_real;                         /* 0: the stand-in of threads without a cache */
    uint8_t heap;
    struct actor actor;
    struct bin bins[BIN_COUNT + OUTBOX_COUNT];
    uint16_t mid_table[MID_TABLE_ENTRIES]; /* a copy of mid_class_table, for ever */
    uint32_t used_bins, grant; /* bins with slots; countdown that each of them gets */
    uint64_t generation; /* of the settings acted on */
    uint64_t drains;     /* how often it was asked to drain, when it did so last */
    uint64_t next_look;  /* operations at which the clock is looked at again */
    uint32_t last_sweep_ms, last_maintenance_ms;
    uint32_t fresh_slabs;         /* taken, of untouched or purged pages, since idle bins last gave back */
    uint8_t is_active[BIN_COUNT]; /* allocated from since then, as far as it was accounted */
    uint8_t is_maintenance_due; /* heap.c: purge, log */
    uint8_t goes_home; /* its thread ends, or was asked to drain: blocks go home, not to where the next thread would look for them */
    uint8_t route_profile, check_level; /* acted on; at check.level 3 both fast paths are off */
    uint64_t cached_bytes;      /* as published */
    struct telemetry_thread *row, *spare_row;
    void **large_slots[BIN_COUNT]; /* TLS_MOST_SLOTS each, mapped when the bin first outgrows its small ones */
    struct tls_cache *next_unused;
    /* First, so that they share pages with slots that most threads use. */
    void *outbox_slots[OUTBOX_COUNT][OUTBOX_SLOTS];
    void *small_slots[BIN_COUNT][BIN_SMALL_SLOTS];
};

_Static_assert(offsetof(struct tls_cache, none) == NO_CLASS_KEY && offsetof(struct tls_cache, bins) == BINS_OFFSET,
               "keys are offsets");

static inline struct bin *outbox_of(struct tls_cache *cache, unsigned class_index)
{
    return &cache->bins[BIN_COUNT + class_index];
}

/* False: the bin is at its floor, or a tick is due (then countdown is 0, and the allocation that asked
 * is counted): take the slow path. */
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
    /* `top` is lowered where it lies: told so, gcc takes one instruction instead of two. */
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
