/* bin_marks.h: notes how far the fill of a bin goes up and down between two decisions (bin.h). Only
 * tls_cache.c and ghosts.c include it. */
#ifndef HAK_BIN_MARKS_H
#define HAK_BIN_MARKS_H

#include "settings.h"
#include "bin.h"

#define STEPS_PER_CAPACITY 10 /* how finely a swing is noted */

static inline int32_t step_of(uint32_t capacity)
{
    int32_t step = (int32_t)capacity / STEPS_PER_CAPACITY;
    return step > 0 ? step : 1;
}

/* Puts floor and limit where the position would leave [low, high]; if the bin is settled, at its ends. */
static inline void set_marks(struct bin *bin)
{
    int32_t capacity = (int32_t)bin->capacity, fill = fill_of(bin);
    int32_t floor = 0, limit = capacity;
    if (!bin->is_settled) {
        floor = (int32_t)clamp_int64((int32_t)(bin->low + bin->adjust), 0, fill);
        limit = (int32_t)clamp_int64((int32_t)(bin->high + bin->adjust), fill, capacity > fill ? capacity : fill);
    }
    bin->floor = bin->base + floor;
    bin->limit = bin->base + limit;
}

static inline void start_period(struct bin *bin)
{
    bin->low = bin->high = position_of(bin);
    bin->exchanges = bin->flushes = 0;
    bin->is_settled = 0;
}

/* The swing as far as it is proved: the fill may not have reached a mark that was moved on by a step. */
static inline int32_t proved_swing(uint32_t low, uint32_t high, uint32_t capacity)
{
    int32_t swing = (int32_t)(high - low);
    return swing > 0 ? swing - (step_of(capacity) - 1) : 0;
}

static inline int32_t swing_of(const struct bin *bin)
{
    return proved_swing(bin->low, bin->high, bin->capacity);
}

static inline bool proves_growth(int32_t swing, uint32_t capacity)
{
    return (int64_t)swing * 100 > SETTING(tls_grow_percent) * (int64_t)capacity;
}

/* If so many exchanges are all refills, or all flushes, that is hardly by chance. */
#define ONE_WAY_EXCHANGES 4

/* Whether the thread only took blocks of the class, or only freed them, while other threads did the opposite. */
static inline bool is_one_way(const struct bin *bin)
{
    return bin->exchanges >= ONE_WAY_EXCHANGES && (bin->flushes == 0 || bin->flushes == bin->exchanges);
}

static inline bool is_at_low(const struct bin *bin)
{
    return bin->top == bin->floor && !bin->is_settled && (int32_t)(position_of(bin) - bin->low) <= 0;
}

static inline bool is_at_high(const struct bin *bin)
{
    return bin->top == bin->limit && !bin->is_settled && (int32_t)(position_of(bin) - bin->high) >= 0;
}

/* Called when the fill is about to go below (extend_high: above) what was noted. The caller sets the marks anew. */
static inline void extend_low(struct bin *bin, bool is_refilled)
{
    bin->low = position_of(bin) - is_refilled - (uint32_t)step_of(bin->capacity);
    bin->is_settled = proves_growth(swing_of(bin), bin->capacity);
}

static inline void extend_high(struct bin *bin)
{
    bin->high = position_of(bin) + (uint32_t)step_of(bin->capacity);
    bin->is_settled = proves_growth(swing_of(bin), bin->capacity);
}

/* How many blocks leave a full bin: as many as a refill takes, but only those that the swing of the fill does not need.
 * Otherwise the same blocks would leave and come back again and again. */
static inline uint32_t flush_blocks(uint32_t capacity, uint32_t fill, int32_t swing, bool is_settled)
{
    int64_t count = clamp_int64((int64_t)capacity * SETTING(tls_refill_percent) / 100, 1, fill);
    int64_t surplus = (int64_t)fill - swing, least = (count + 3) / 4; /* more than one block at a time */
    return (uint32_t)(is_settled ? count : clamp_int64(surplus, least, count));
}

#endif
