/* lock.h: a lock of one word that spins briefly and then sleeps (futex). It works before any
 * constructor has run, and the child of a fork can reset it. A signal handler must not take it.
 *
 *   FREE (0) --take: CAS acquire--> HELD (1) --somebody waits--> HELD, AWAITED (2)
 *      ^------------------ give: exchange release; wakes one if it was 2 -----'
 *
 * Lock order, outermost first (README.md says why; fork takes all in this order, process.c):
 *   thread rows -> unused caches -> magazine[class] -> central[heap][class] -> l25 resize -> l25 shard
 *   -> big upkeep -> big stripe -> superslab -> frames -> registry -> range
 *   samples comes last: nothing is locked under it.
 * Locks of one array are taken in ascending order. No other lock is taken under start, exit key, settings or log, and
 * nobody waits for log. The walk lock of central_purge.c comes before all others: it alone is held while the system is
 * called, and fork does not take it. */
#ifndef HAK_LOCK_H
#define HAK_LOCK_H

#include "base.h"

/* state: 0 free, 1 held, 2 held and some thread may sleep. Memory order: acquire when taken, release when given. */
struct lock {
    _Atomic uint32_t state;
};

void lock_acquire_slow(struct lock *lock);
void lock_wake(struct lock *lock);

/* How many locks the calling thread holds or is about to take, and how many sections it is in. If a signal handler finds
 * it not 0, the handler interrupted this thread in the middle of a change, and must neither wait for a lock nor look at
 * what the locks protect. Only fork reads it (process.c). */
extern __thread uint32_t locks_held __attribute__((tls_model("initial-exec")));

/* A section is a change that spans several locks, or none, and that a fork by a signal handler must leave alone. */
static inline void lock_section_begin(void)
{
    locks_held++;
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void lock_section_end(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    locks_held--;
}

static inline bool lock_swap(struct lock *lock)
{
    uint32_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline bool lock_try(struct lock *lock)
{
    lock_section_begin();
    if (lock_swap(lock))
        return true;
    lock_section_end();
    return false;
}

static inline void lock_acquire(struct lock *lock)
{
    lock_section_begin();
    if (UNLIKELY(!lock_swap(lock)))
        lock_acquire_slow(lock);
}

static inline void lock_release(struct lock *lock)
{
    if (UNLIKELY(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        lock_wake(lock);
    lock_section_end();
}

/* In a forked child, where the parent's other threads do not exist. */
static inline void lock_reset(struct lock *lock)
{
    atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

#endif
