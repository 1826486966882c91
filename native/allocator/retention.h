/* retention.h: how many idle bytes a cache may keep. It begins with few, and earns the right to keep more.
 *
 * A free that leaves more idle bytes than the cache may keep gives memory back at once, because nobody knows whether
 * the program will ever call again. If the program takes memory from the system soon after, giving it back was a
 * mistake, and the cache may keep that many bytes more. If idle bytes waited for the whole of ss.purge_delay_ms,
 * keeping them was a mistake, and the cache may keep twice as many bytes less. So memory that a burst freed goes back,
 * and a program that frees and allocates in turns soon keeps what it needs.
 *
 * Every word is relaxed: if two threads write at once, a little of what was learned is lost. */
#ifndef HAK_RETENTION_H
#define HAK_RETENTION_H

#include "settings.h"

#define RETENTION_DOUBT 8u        /* bytes missed once earn one part in so many, where one return proves little */
#define RETENTION_WINDOW_PART 32u /* "soon after" is within ss.purge_delay_ms divided by this */

struct retention {
    _Atomic uint64_t earned_bytes; /* may be kept in addition to the unearned bytes */
    _Atomic uint64_t given_bytes;  /* given back lately, and not missed since */
    _Atomic uint32_t given_ms;     /* when given_bytes was last halved */
};

static inline uint64_t retention_bytes(const struct retention *retention, uint64_t unearned_bytes)
{
    return unearned_bytes + atomic_load_explicit(&retention->earned_bytes, memory_order_relaxed);
}

/* The bytes that were given back and not missed since; they halve with every window that goes by. */
static inline uint64_t retention_given_bytes(struct retention *retention, uint32_t now_ms)
{
    int64_t delay_ms = SETTING(ss_purge_delay_ms);
    uint32_t window_ms = delay_ms > (int64_t)RETENTION_WINDOW_PART ? (uint32_t)delay_ms / RETENTION_WINDOW_PART : 1;
    uint32_t windows = (now_ms - atomic_load_explicit(&retention->given_ms, memory_order_relaxed)) / window_ms;
    uint64_t bytes = atomic_load_explicit(&retention->given_bytes, memory_order_relaxed);
    if (windows == 0)
        return bytes;
    atomic_store_explicit(&retention->given_ms, now_ms, memory_order_relaxed);
    return windows < 64 ? bytes >> windows : 0;
}

/* Called when a free gave bytes back. */
static inline void retention_gave(struct retention *retention, uint64_t bytes, uint32_t now_ms)
{
    uint64_t given = retention_given_bytes(retention, now_ms);
    atomic_store_explicit(&retention->given_bytes, given + bytes, memory_order_relaxed);
}

/* Called when an allocation took bytes from the system. As far as they had been given back lately, they were missed, and
 * one part in `doubt` of them is earned. */
static inline void retention_missed(struct retention *retention, uint64_t bytes, uint64_t doubt, uint32_t now_ms)
{
    uint64_t given = retention_given_bytes(retention, now_ms), missed = bytes < given ? bytes : given;
    atomic_store_explicit(&retention->given_bytes, given - missed, memory_order_relaxed);
    uint64_t earned = atomic_load_explicit(&retention->earned_bytes, memory_order_relaxed);
    atomic_store_explicit(&retention->earned_bytes, earned + missed / doubt, memory_order_relaxed);
}

/* Whether anything was given back lately. If not, the caller need not look at the clock for retention_missed. */
static inline bool retention_has_given(const struct retention *retention)
{
    return atomic_load_explicit(&retention->given_bytes, memory_order_relaxed) != 0;
}

/* Called when bytes were kept for ss.purge_delay_ms and no thread took them. The cache may keep twice as many bytes less,
 * so that it forgets faster than it learns. */
static inline void retention_was_too_much(struct retention *retention, uint64_t bytes)
{
    uint64_t earned = atomic_load_explicit(&retention->earned_bytes, memory_order_relaxed);
    atomic_store_explicit(&retention->earned_bytes, earned / 2 > bytes ? earned - 2 * bytes : 0, memory_order_relaxed);
}

/* Called when the threads that needed so much memory have ended: others may come, but no more than `bytes` wait for them. */
static inline void retention_limit(struct retention *retention, uint64_t bytes)
{
    if (atomic_load_explicit(&retention->earned_bytes, memory_order_relaxed) > bytes)
        atomic_store_explicit(&retention->earned_bytes, bytes, memory_order_relaxed);
}

#endif
