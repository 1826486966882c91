/* ghost_rules.h: what a ghost does when its fill reaches an end of its range or the highest or lowest fill that it has
 * noted: the rules of tls_cache.c and bin_marks.h for a bin of a fixed capacity. ghosts.c applies them while a program
 * runs, native/models to the events of a trace. */
#ifndef HAK_GHOST_RULES_H
#define HAK_GHOST_RULES_H

#include "bin.h"
#include "bin_limits.h"
#include "bin_marks.h"
#include "magazine.h"

#define FAR (UINT32_C(1) << 30) /* farther than a position moves before the next turn */

/* Blocks that the ghosts of one class and capacity gave back and did not take again: where flushed blocks go first, and
 * where all others lie. One for all threads, as the magazine. Relaxed: a change that is lost makes the next refill a
 * little smaller or larger. */
struct ghost_source {
    _Atomic uint32_t magazine, returned;
};

struct ghost {
    uint32_t start;            /* the position at which it is empty */
    uint32_t low, high;        /* as in a bin */
    uint32_t turn;             /* the clock at which it wakes, begins to count or falls asleep */
    uint32_t began, began_position; /* clock and position when it began to count, or the clock when it fell asleep */
    uint32_t gap;              /* allocations that passed before, for which its window stands as well */
    uint32_t refills, flushes; /* since then */
    uint16_t exchanges;        /* since its last decision */
    uint8_t first_refills;     /* those of them that were small because the thread was new */
    uint8_t doublings;         /* of its refills so far: refill_blocks */
    uint8_t log_window, shift; /* logarithms to base 2 of the window, and of how many allocations one stands for */
    uint8_t is_settled, is_awake;
    uint8_t is_counting;       /* it has been awake for long enough */
    uint8_t last_log_window;   /* of the window before, and the exchanges in it */
    uint16_t last_exchanges;
};

/* The ghosts of one bin. They are in use if the bin is (it has slots). */
struct ghost_bin {
    /* The nearest positions at which a pop, or a push, moves a ghost. One of them may be too near: then nothing is moved
     * there, and it is found anew. Who moves one of them away marks the bin before the next fast path: the bin's floor or
     * limit would stand where nothing is found any more. */
    uint32_t below, above;
    uint32_t turn; /* the clock at which the next ghost falls asleep or wakes */
    uint32_t told, told_position; /* clock and position when the operations were published last */
    /* The bin is compared with the ghost of its capacity since it got that (GHOST_COUNT: it is not): clock and position
     * then, exchanges of the bin until then, and what the ghost has counted since. */
    uint32_t checked, check_began, check_position;
    uint64_t check_exchanges;
    int64_t seen_exchanges, seen_operations;
    /* Where a pop (lower) or a push (upper) moves each ghost. It is FAR away for ghosts that sleep. */
    uint32_t lower[GHOST_COUNT], upper[GHOST_COUNT];
    struct ghost ghosts[GHOST_COUNT];
};

static inline uint32_t ghost_capacity(unsigned ghost)
{
    return (uint32_t)GHOST_LEAST_SLOTS << ghost;
}

/* Signed distance from one position to another. */
static inline int32_t ghost_distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

static inline uint32_t ghost_nearer(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

static inline void ghost_begin_period(struct ghost *ghost, uint32_t position)
{
    ghost->low = ghost->high = position;
    ghost->exchanges = 0;
    ghost->is_settled = 0;
}

static inline void ghost_count_exchange(struct ghost *ghost, uint32_t position)
{
    if (++ghost->exchanges >= SETTING(tls_adapt_refills))
        ghost_begin_period(ghost, position);
}

static inline void ghost_settle(struct ghost *ghost, uint32_t capacity)
{
    ghost->is_settled = proves_growth(proved_swing(ghost->low, ghost->high, capacity), capacity);
}

/* A refill takes what lies in the magazine, or else what is free in slabs, or else is in one new slab (magazine.h,
 * central_take). It may get fewer blocks than it wants. */
static inline uint32_t ghost_fetch(struct ghost_source *source, unsigned class_index, uint32_t wanted)
{
    _Atomic uint32_t *from = &source->magazine;
    uint32_t there = atomic_load_explicit(from, memory_order_relaxed);
    if (there == 0) {
        from = &source->returned;
        there = atomic_load_explicit(from, memory_order_relaxed);
    }
    if (there == 0)
        there = size_classes[class_index].span_blocks;
    uint32_t got = there < wanted ? there : wanted;
    atomic_store_explicit(from, there - got, memory_order_relaxed);
    return got;
}

static inline void ghost_give(struct ghost_source *source, uint32_t capacity, uint32_t blocks)
{
    uint32_t kept = atomic_load_explicit(&source->magazine, memory_order_relaxed), limit = MAGAZINE_BINS * capacity;
    uint32_t room = kept < limit ? limit - kept : 0, put = blocks < room ? blocks : room;
    uint32_t left = atomic_load_explicit(&source->returned, memory_order_relaxed) + blocks - put;
    atomic_store_explicit(&source->magazine, kept + put, memory_order_relaxed);
    atomic_store_explicit(&source->returned, left, memory_order_relaxed);
}

static inline uint32_t ghost_refill(struct ghost *ghost, uint32_t capacity, unsigned class_index, struct ghost_source *source)
{
    uint32_t blocks = refill_blocks(class_index, capacity, ghost->doublings);
    if (UNLIKELY(ghost->doublings < MOST_DOUBLINGS)) {
        ghost->doublings++;
        ghost->first_refills += blocks < refill_blocks(class_index, capacity, MOST_DOUBLINGS);
    }
    return ghost_fetch(source, class_index, blocks < capacity ? blocks : capacity);
}

static inline uint32_t ghost_flush(const struct ghost *ghost, uint32_t capacity)
{
    return flush_blocks(capacity, capacity, proved_swing(ghost->low, ghost->high, capacity), ghost->is_settled);
}

static inline void ghost_pop(struct ghost *ghost, uint32_t capacity, unsigned class_index, struct ghost_source *source,
                             uint32_t position)
{
    uint32_t reached = position;
    if (position == ghost->start) {
        if (ghost_distance(ghost->low, position) < 0)
            ghost->low = position;
        ghost_count_exchange(ghost, position);
        ghost->refills++;
        ghost->start -= ghost_refill(ghost, capacity, class_index, source);
        reached--; /* a bin that is refilled looks at the swing after the pop */
    }
    if (!ghost->is_settled && ghost_distance(ghost->low, position) <= 0) {
        ghost->low = reached - (uint32_t)step_of(capacity);
        ghost_settle(ghost, capacity);
    }
}

static inline void ghost_push(struct ghost *ghost, uint32_t capacity, struct ghost_source *source, uint32_t position)
{
    if (position == ghost->start + capacity) {
        if (ghost_distance(ghost->high, position) > 0)
            ghost->high = position;
        ghost_count_exchange(ghost, position);
        ghost->flushes++;
        uint32_t blocks = ghost_flush(ghost, capacity);
        ghost->start += blocks;
        ghost_give(source, capacity, blocks);
    }
    if (!ghost->is_settled && ghost_distance(ghost->high, position) >= 0) {
        ghost->high = position + (uint32_t)step_of(capacity);
        ghost_settle(ghost, capacity);
    }
}

/* Finds where the ghost is to be moved next. */
static inline void ghost_place(struct ghost_bin *bin, unsigned index, uint32_t position)
{
    const struct ghost *ghost = &bin->ghosts[index];
    uint32_t fill = position - ghost->start, room = ghost_capacity(index) - fill;
    if (!ghost->is_settled) {
        fill = ghost_nearer(fill, position - ghost->low);
        room = ghost_nearer(room, ghost->high - position);
    }
    bin->lower[index] = position - fill;
    bin->upper[index] = position + room;
}

static inline void ghost_find_nearest(struct ghost_bin *bin, uint32_t position)
{
    uint32_t below = FAR, above = FAR; /* distances */
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        below = ghost_nearer(below, position - bin->lower[i]);
        above = ghost_nearer(above, bin->upper[i] - position);
    }
    bin->below = position - below;
    bin->above = position + above;
}

/* A block is taken at `position`: moves the ghosts whose mark that is. */
static inline void ghost_bin_pop(struct ghost_bin *bin, unsigned class_index, struct ghost_source sources[GHOST_COUNT],
                                 uint32_t position)
{
    uint32_t below = FAR;
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        if (ghost_distance(bin->lower[i], position) <= 0) {
            ghost_pop(&bin->ghosts[i], ghost_capacity(i), class_index, &sources[i], position);
            ghost_place(bin, i, position);
            if (ghost_distance(bin->upper[i], bin->above) > 0)
                bin->above = bin->upper[i];
        }
        below = ghost_nearer(below, position - bin->lower[i]);
    }
    bin->below = position - below;
}

/* A block is given back at `position`. */
static inline void ghost_bin_push(struct ghost_bin *bin, struct ghost_source sources[GHOST_COUNT], uint32_t position)
{
    uint32_t above = FAR;
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        if (ghost_distance(position, bin->upper[i]) <= 0) {
            ghost_push(&bin->ghosts[i], ghost_capacity(i), &sources[i], position);
            ghost_place(bin, i, position);
            if (ghost_distance(bin->below, bin->lower[i]) > 0)
                bin->below = bin->lower[i];
        }
        above = ghost_nearer(above, bin->upper[i] - position);
    }
    bin->above = position + above;
}

#endif
