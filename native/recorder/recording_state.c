/* recording_state.c: the recorder's state, clock and lock. */
#include "recording_state.h"

#include "processor.h"

#include <sched.h>
#include <time.h>

struct recording *recording;
_Thread_local struct recording_thread recording_thread;
static bool is_tsc; /* survives a fork */

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void recording_choose_clock(void)
{
    is_tsc = processor_ticks_are_steady();
}

uint64_t recording_clock(void)
{
    return is_tsc ? processor_ticks() : now_ns(CLOCK_MONOTONIC);
}

bool recording_clock_is_tsc(void)
{
    return is_tsc;
}

void recording_lock(void)
{
    while (atomic_exchange_explicit(&recording->lock, 1, memory_order_acquire))
        sched_yield();
}

void recording_unlock(void)
{
    atomic_store_explicit(&recording->lock, 0, memory_order_release);
}
