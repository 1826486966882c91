/* lifecycle.h: the start of the allocator (its first call) and the birth and death of a thread's cache. */
#ifndef HAK_LIFECYCLE_H
#define HAK_LIFECYCLE_H

#include "tls_cache.h"

/* The calling thread's cache, made on its first call, which also starts the allocator. The stand-in
 * tls_cache_none (is_real == 0) for a thread that is ending, or when there is no memory. */
struct tls_cache *lifecycle_attach(void);

/* Starts the allocator without a cache; false: the system has no memory at all. */
bool lifecycle_start(void);
bool lifecycle_is_started(void);
/* Whether the calling thread is at it: its start was re-entered, by a wrapper of a function that start calls or by a
 * signal handler. */
bool lifecycle_is_starting(void);
/* Called when a thread ends and at most one other has a cache: that may be one of the allocator's own. NULL: not. */
extern void (*_Atomic lifecycle_before_last_end)(void);
void lifecycle_reset_locks(void);
void lifecycle_after_fork(void);

#endif
