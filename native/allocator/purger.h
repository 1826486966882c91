/* purger.h: the thread of tunable purge.background, which gives idle memory back even if the program never
 * allocates again.
 *
 *   OFF --purger_start--> STARTING --its thread runs--> RUNNING --sees purge.background = 0--> OFF
 *
 * It is an ordinary thread with an ordinary cache and telemetry row, so settings are adopted and purges
 * are counted as anywhere else; every signal is blocked in it. It wakes ten times a second and does nothing
 * while clock.mode is operations: it has none.
 *
 * It is started from slow paths of malloc, never of free, because pthread_create takes locks of the C
 * library under which that library frees; and in the child of a fork. State: CAS acq_rel. */
#ifndef HAK_PURGER_H
#define HAK_PURGER_H

#include "base.h"
#include "settings.h"

enum purger_state { PURGER_OFF, PURGER_STARTING, PURGER_RUNNING };
extern _Atomic uint32_t purger_state;

static inline bool purger_is_missing(void)
{
    return SETTING(purge_background) && atomic_load_explicit(&purger_state, memory_order_relaxed) == PURGER_OFF;
}

/* Starts the thread unless it runs; keeps errno. Where the system has no thread to give, nothing happens,
 * and it is tried again later. */
void purger_start(void);
/* In the child of a fork, which has no such thread. */
void purger_after_fork(void);

#endif
