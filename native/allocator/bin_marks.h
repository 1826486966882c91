/* bin_marks.h: notes how far the fill of a bin goes up and down between two decisions (bin.h). Only tls_cache.c
 * includes it. */
#ifndef HAK_BIN_MARKS_H
#define HAK_BIN_MARKS_H

#include "settings.h"
#include "bin.h"

#define STEPS_PER_CAPACITY 10 /* how finely a swing is noted */

static inline int32_t fill_of(const struct bin *bin)
{
    return (int32_t)(bin->top - bin->base);
}

static inline int32_t step_of(const struct bin *bin)
{
    int32_t step = (int32_t)bin->capacity / STEPS_PER_CAPACITY;
    return step > 0 ? step : 1;
}

/* Puts floor and limit where the virtual fill would leave [low, high]; if the bin is settled, at its ends. */
static inline void set_marks(struct bin *bin)
{
    int32_t capacity = (int32_t)bin->capacity, fill = fill_of(bin);
    int32_t floor = 0, limit = capacity;
    if (!bin->is_settled) {
        floor = (int32_t)clamp_int64((int64_t)bin->low + bin->adjust, 0, fill);
        limit = (int32_t)clamp_int64((int64_t)bin->high + bin->adjust, fill, capacity > fill ? capacity : fill);
    }
    bin->floor = bin->base + floor;
    bin->limit = bin->base + limit;
}

static inline void start_period(struct bin *bin)
{
    bin->adjust = 0;
    bin->low = bin->high = fill_of(bin);
    bin->exchanges = bin->flushes = 0;
    bin->is_settled = 0;
    set_marks(bin);
}

/* The swing as far as it is proved: the fill may not have reached a mark that was moved on by a step. */
static inline int32_t swing_of(const struct bin *bin)
{
    int32_t swing = bin->high - bin->low;
    return swing > 0 ? swing - (step_of(bin) - 1) : 0;
}

/* If so many exchanges are all refills, or all flushes, that is hardly by chance. */
#define ONE_WAY_EXCHANGES 4

/* Whether the thread only took blocks of the class, or only freed them, while other threads did the opposite. */
static inline bool is_one_way(const struct bin *bin)
{
    return bin->exchanges >= ONE_WAY_EXCHANGES && (bin->flushes == 0 || bin->flushes == bin->exchanges);
}

static inline void note_swing(struct bin *bin)
{
    bin->is_settled = (int64_t)swing_of(bin) * 100 > SETTING(tls_grow_percent) * (int64_t)bin->capacity;
    set_marks(bin);
}

/* Called when the fill is about to go below (extend_high: above) what was noted. */
static inline void extend_low(struct bin *bin)
{
    bin->low = fill_of(bin) - bin->adjust - step_of(bin);
    note_swing(bin);
}

static inline void extend_high(struct bin *bin)
{
    bin->high = fill_of(bin) - bin->adjust + step_of(bin);
    note_swing(bin);
}

/* How many blocks leave a full bin: as many as a refill takes, but only those that the swing of the fill does not need.
 * Otherwise the same blocks would leave and come back again and again. */
static inline uint32_t flush_blocks(const struct bin *bin)
{
    int64_t count = clamp_int64((int64_t)bin->capacity * SETTING(tls_refill_percent) / 100, 1, fill_of(bin));
    int64_t surplus = fill_of(bin) - swing_of(bin), least = (count + 3) / 4; /* more than one block at a time */
    return (uint32_t)(bin->is_settled ? count : clamp_int64(surplus, least, count));
}

#endif
