/* clock.h: what drives windows and delays (tunable clock.mode): time, or the acting thread's count of
 * operations (1000 a ms), which makes a single-threaded run the same event for event. */
#ifndef HAK_CLOCK_H
#define HAK_CLOCK_H

#include "os.h"
#include "settings.h"

#define OPERATIONS_PER_MS 1000

/* Low 32 bits of a count of milliseconds; compare by difference only. */
static inline uint32_t clock_now_ms(const struct actor *actor)
{
    if (SETTING(clock_mode) == CLOCK_OPERATIONS)
        return actor ? (uint32_t)(actor->operations / OPERATIONS_PER_MS) : 0;
    return (uint32_t)os_now_coarse_ms();
}

/* Whether *last_ms (0: never) is at least `period_ms` ago; it is now then. Relaxed, and by one thread in most cases:
 * once more or less does no harm. */
static inline bool clock_is_due(_Atomic uint32_t *last_ms, uint32_t now_ms, int64_t period_ms)
{
    uint32_t last = atomic_load_explicit(last_ms, memory_order_relaxed);
    if (last && (int32_t)(now_ms - last) < period_ms)
        return false;
    return atomic_compare_exchange_strong_explicit(last_ms, &last, now_ms, memory_order_relaxed, memory_order_relaxed);
}

#endif
