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

#endif
