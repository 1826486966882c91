/* purger.h: the purging thread (tunable purge.background), which gives idle memory back even if the program never
 * allocates again. It also runs while somebody holds a lease on settings, and notices when the lease has lapsed.
 *
 *   OFF --purger_start--> RUNNING --not wanted--> ENDED --purger_start--> RUNNING
 *    ^                       |                      |
 *    '----- purger_stop -----'----------------------'
 *
 * It is an ordinary thread with an ordinary cache and telemetry row, so it adopts settings and counts purges
 * as any thread does. Every signal is blocked in it. It wakes ten times a second. While clock.mode is operations it
 * purges nothing, because it makes no operations.
 *
 * The program must not notice it. The program's last thread stops it before that thread ends, because a process ends with
 * its last thread. It does not run while the program makes a call that the system allows only with a single thread
 * (unshare, setns). A process that has confined itself (os.h) has no purging thread, because the calls that make a thread
 * may be forbidden.
 *
 * It is started from slow paths of malloc and in the child of a fork. It is never started from free, because
 * pthread_create takes locks of the C library under which that library frees. Its state is stored with release under
 * life_lock. */
#ifndef HAK_PURGER_H
#define HAK_PURGER_H

#include "base.h"
#include "control.h"
#include "os.h"
#include "settings.h"

enum purger_state { PURGER_OFF, PURGER_RUNNING, PURGER_ENDED };
extern _Atomic uint32_t purger_state;

static inline bool purger_is_wanted(void)
{
    return SETTING(purge_background) || control_is_leased();
}
static inline bool purger_is_missing(void)
{
    return purger_is_wanted() && atomic_load_explicit(&purger_state, memory_order_relaxed) != PURGER_RUNNING &&
           !os_is_confined();
}

/* Starts the thread unless it runs. Keeps errno. If the system refuses a thread, nothing happens, and a later call tries
 * again. */
void purger_start(void);
/* When it returns, the thread has ended. No new one starts until purger_allow was called as often. Keeps errno. */
void purger_stop(void);
void purger_allow(void);
/* For a forked child, which has no purging thread. */
void purger_forget(void);

#endif
