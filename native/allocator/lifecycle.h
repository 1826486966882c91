/* lifecycle.h: the start of the allocator (its first call) and the birth and death of a thread's cache. */
#ifndef HAK_LIFECYCLE_H
#define HAK_LIFECYCLE_H

#include "tls_cache.h"

/* Returns the calling thread's cache. The first call of this makes it, and starts the allocator if need be. A thread that
 * is ending, or for which there is no memory, gets the stand-in tls_cache_none (is_real == 0). */
struct tls_cache *lifecycle_attach(void);
/* The same for one of the program's calls. The first calls of a thread get the stand-in while another thread has a cache: a
 * cache and its telemetry row would take more pages, and more time, than the blocks of a thread that ends soon. */
struct tls_cache *lifecycle_attach_for_call(void);

/* Starts the allocator without a cache. Returns false if there is no memory, or if the calling thread re-enters the start. */
bool lifecycle_start(void);
bool lifecycle_is_started(void);
/* Whether the calling thread is starting the allocator. Then the caller re-entered the start: it is a wrapper of a
 * function that the start calls, or a signal handler. */
bool lifecycle_is_starting(void);
/* If not NULL, called when a thread ends and at most one other thread has a cache, which may be the purging thread. */
extern void (*_Atomic lifecycle_before_last_end)(void);
void lifecycle_reset_locks(void);
void lifecycle_after_fork(void);

#endif
