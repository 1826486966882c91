/* purger.h: the thread of tunable purge.background, which gives idle memory back even if the program never
 * allocates again.
 *
 *   OFF --purger_start--> RUNNING --purge.background = 0--> ENDED --purger_start--> RUNNING
 *    ^                       |                                |
 *    '----- purger_stop -----'--------------------------------'
 *
 * It is an ordinary thread with an ordinary cache and telemetry row, so settings are adopted and purges
 * are counted as anywhere else; every signal is blocked in it. It wakes ten times a second and does nothing
 * while clock.mode is operations: it has none.
 *
 * It must not show: the program's last thread stops it before it ends, as a process ends with its last thread; it is
 * away while the program makes a call that the system grants to a single thread alone (unshare, setns); and a process
 * that has confined itself (os.h) has none, as the calls that make a thread may be forbidden.
 *
 * It is started from slow paths of malloc, never of free, because pthread_create takes locks of the C
 * library under which that library frees; and in the child of a fork. State: stores release under its lock. */
#ifndef HAK_PURGER_H
#define HAK_PURGER_H

#include "base.h"
#include "os.h"
#include "settings.h"

enum purger_state { PURGER_OFF, PURGER_RUNNING, PURGER_ENDED };
extern _Atomic uint32_t purger_state;

static inline bool purger_is_missing(void)
{
    return SETTING(purge_background) && atomic_load_explicit(&purger_state, memory_order_relaxed) != PURGER_RUNNING &&
           !os_is_confined();
}

/* Starts the thread unless it runs; keeps errno. Where the system has no thread to give, nothing happens,
 * and it is tried again later. */
void purger_start(void);
/* The thread is gone on return, and stays away until as many calls of purger_allow. Keeps errno. */
void purger_stop(void);
void purger_allow(void);
/* In a child, which has no such thread. */
void purger_forget(void);

#endif
