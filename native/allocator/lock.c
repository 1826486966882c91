/* lock.c: the contended half of lock.h. */
#include "lock.h"

#include "processor.h"
#include "system_call.h"

#include <linux/futex.h>

#define SPINS 100

__thread uint32_t locks_held;

void lock_acquire_slow(struct lock *lock)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 && lock_swap(lock))
            return;
        processor_pause();
    }
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        SYSTEM_CALL(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL);
}

void lock_wake(struct lock *lock)
{
    SYSTEM_CALL(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}
