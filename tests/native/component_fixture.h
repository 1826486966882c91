/* component_fixture.h: for programs that test one component of the allocator from inside:
 * changing tunables without a reader, and looking at the event ring. */
#ifndef COMPONENT_FIXTURE_H
#define COMPONENT_FIXTURE_H

#include "check.h"
#include "control.h"
#include "events.h"
#include "lifecycle.h"
#include "settings.h"
#include "telemetry.h"

#include <string.h>

static inline void set_tunable(enum tunable tunable, double value)
{
    double values[TUNABLE_COUNT];
    settings_load(values);
    values[tunable] = value;
    settings_store(values, false);
}

/* Starts the allocator on the clock that counts operations: a test's actors make their own time. */
static inline void start_on_operations(void)
{
    CHECK(lifecycle_start());
    set_tunable(TUNABLE_clock_mode, CLOCK_OPERATIONS);
}

static inline void advance_ms(struct actor *actor, uint64_t ms)
{
    actor->operations += ms * 1000;
}

static inline uint64_t event_cursor(void)
{
    return atomic_load(&control_block.header->event_head);
}

/* How many events of a kind were appended since the cursor; *last: the newest of them. */
static inline unsigned count_events(uint64_t cursor, enum event_kind kind, struct hak_event *last)
{
    unsigned count = 0;
    CHECK(event_cursor() - cursor <= control_block.event_mask);
    for (; cursor < event_cursor(); cursor++) {
        const struct hak_event *event = &control_block.events[cursor & control_block.event_mask];
        if (event->kind != kind)
            continue;
        count++;
        if (last)
            memcpy(last, event, sizeof *last);
    }
    return count;
}

static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
