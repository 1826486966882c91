/* clock.c: when something periodic is due. */
#include "clock.h"

#include "component_fixture.h"

int main(void)
{
    /* The first time at any uptime: milliseconds are counted in 32 bits, and wrap after 49.7 days. */
    static const uint32_t uptimes_ms[] = {1, 1u << 30, 1u << 31, (1u << 31) + 1, UINT32_MAX - 50};
    for (unsigned i = 0; i < sizeof uptimes_ms / sizeof *uptimes_ms; i++) {
        _Atomic uint32_t last_ms = 0;
        uint32_t now_ms = uptimes_ms[i];
        CHECK(clock_is_due(&last_ms, now_ms, 100));
        CHECK(!clock_is_due(&last_ms, now_ms, 100) && !clock_is_due(&last_ms, now_ms + 99, 100));
        CHECK(clock_is_due(&last_ms, now_ms + 100, 100));
        CHECK(!clock_is_due(&last_ms, now_ms + 20, 100)); /* of a thread that is behind */
        CHECK(clock_is_due(&last_ms, now_ms + 250, 100));
    }
    puts("clock: ok");
    return 0;
}
