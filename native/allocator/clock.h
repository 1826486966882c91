/* clock.h: the clock of all windows and delays (tunable clock.mode). It is time, or the acting thread's count of
 * operations (1000 for each ms), with which a single-threaded run repeats exactly, event for event. */
#ifndef HAK_CLOCK_H
#define HAK_CLOCK_H

#include "os.h"
#include "settings.h"

#define OPERATIONS_PER_MS 1000

/* The low 32 bits of a count of milliseconds. Two of them are compared by their difference. */
static inline uint32_t clock_now_ms(const struct actor *actor)
{
    if (SETTING(clock_mode) == CLOCK_OPERATIONS)
        return actor ? (uint32_t)(actor->operations / OPERATIONS_PER_MS) : 0;
    return (uint32_t)os_now_coarse_ms();
}

/* Returns whether *last_ms is at least `period_ms` ago, or 0 (never), and if so sets it to now_ms. If several threads call
 * at once, only one of them gets true. Relaxed. */
static inline bool clock_is_due(_Atomic uint32_t *last_ms, uint32_t now_ms, int64_t period_ms)
{
    uint32_t last = atomic_load_explicit(last_ms, memory_order_relaxed);
    if (last && (int32_t)(now_ms - last) < period_ms)
        return false;
    return atomic_compare_exchange_strong_explicit(last_ms, &last, now_ms, memory_order_relaxed, memory_order_relaxed);
}

#endif
