/* bin_limits.h: how many slots the settings allow a bin of a class, and how many blocks a refill takes. Only
 * tls_cache.c, ghosts.c and ghosts_marginal.c include it. */
#ifndef HAK_BIN_LIMITS_H
#define HAK_BIN_LIMITS_H

#include "settings.h"
#include "bin.h"

struct limits {
    uint32_t minimum, maximum, initial;
};

static inline struct limits class_limits(unsigned class_index)
{
    bool is_mid = class_index >= TINY_CLASS_COUNT;
    struct limits limits = {
        .minimum = (uint32_t)(is_mid ? SETTING(mid_ring_min_slots) : SETTING(tls_min_slots)),
        .maximum = (uint32_t)(is_mid ? SETTING(mid_ring_max_slots) : SETTING(tls_max_slots)),
        .initial = (uint32_t)(is_mid ? SETTING(mid_ring_slots) : SETTING(tls_initial_slots)),
    };
    uint64_t max_bytes = (uint64_t)SETTING(tls_max_bytes);
    if (max_bytes) {
        uint32_t by_bytes = (uint32_t)clamp_int64((int64_t)(max_bytes / size_classes[class_index].bytes), 1, TLS_MOST_SLOTS);
        limits.minimum = limits.minimum < by_bytes ? limits.minimum : by_bytes;
        limits.maximum = limits.maximum < by_bytes ? limits.maximum : by_bytes;
        limits.initial = limits.initial < by_bytes ? limits.initial : by_bytes;
    }
    return limits;
}

/* The largest capacity of a bin that its thread only fills, or only empties. Such a bin never serves an allocation with
 * a block that the thread freed before. More slots only make exchanges rarer; but even a small bin spreads the cost of an
 * exchange over many blocks, and no other thread can use the blocks that the bin holds. */
static inline uint32_t one_way_maximum(const struct limits *limits)
{
    int64_t slots = limits->maximum * SETTING(tls_one_way_percent) / 100;
    return (uint32_t)clamp_int64(slots, limits->initial, limits->maximum);
}

/* What is known of a bin since its last decision. */
struct bin_usage {
    int32_t swing;
    uint32_t exchanges, allocations;
    bool is_one_way;
};

/* Whether exchanges are so frequent that a larger bin would save something. Where the fill drifts at random, each doubling
 * makes exchanges four times rarer, and a bin would otherwise grow until it hardly ever makes one. */
static inline bool is_growth_worth_it(uint32_t capacity, const struct bin_usage *usage)
{
    int64_t moved_percent = (int64_t)usage->exchanges * capacity * SETTING(tls_refill_percent);
    return moved_percent >= (int64_t)usage->allocations * SETTING(tls_grow_exchange_percent);
}

/* What tls.policy=threshold makes of a capacity. */
static inline uint32_t threshold_capacity(const struct limits *limits, uint32_t capacity, const struct bin_usage *usage)
{
    uint32_t maximum = usage->is_one_way ? one_way_maximum(limits) : limits->maximum, slots = capacity ? capacity : 1;
    int64_t usage_percent = (int64_t)usage->swing * 100 / slots;
    if (capacity > maximum)
        return (uint32_t)clamp_int64(slots / 2, maximum, limits->maximum);
    if (usage_percent > SETTING(tls_grow_percent) && capacity < maximum && is_growth_worth_it(slots, usage))
        return (uint32_t)clamp_int64(slots * 2, limits->minimum, maximum);
    if (usage_percent < SETTING(tls_shrink_percent) && capacity > limits->minimum)
        return (uint32_t)clamp_int64(slots / 2, limits->minimum, limits->maximum);
    return capacity;
}

/* A thread's first refill of a class is small, and each further one is twice as large. Most threads use most classes once
 * or never, and blocks that they take but do not use keep pages from other threads. */
#define FIRST_REFILL_BYTES 1024
#define MOST_DOUBLINGS 12

static inline unsigned refill_blocks(unsigned class_index, uint32_t capacity, uint64_t refills)
{
    int64_t first = clamp_int64(FIRST_REFILL_BYTES / size_classes[class_index].bytes, 1, TLS_MOST_SLOTS);
    int64_t most = first << (refills < MOST_DOUBLINGS ? refills : MOST_DOUBLINGS);
    int64_t wanted = (int64_t)capacity * SETTING(tls_refill_percent) / 100;
    return (unsigned)clamp_int64(wanted < most ? wanted : most, 1, TLS_MOST_SLOTS);
}

#endif
