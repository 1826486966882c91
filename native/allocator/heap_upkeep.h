/* heap_upkeep.h: the upkeep, which runs now and then, and functions that concern every component. */
#ifndef HAK_HEAP_UPKEEP_H
#define HAK_HEAP_UPKEEP_H

#include "base.h"

struct tls_cache;

/* Gives back the blocks in a thread's cache and all idle memory. Returns the bytes that went to the system. */
size_t heap_give_all_back(struct tls_cache *cache);
/* The upkeep: purges what is due, prints the log, and brings components in line with new settings. Called with no lock
 * held. */
void heap_maintain(struct tls_cache *cache);

/* Checks every structure of every component, each under its lock, and the calling thread's cache. Debug builds run it at
 * every 16th upkeep, at every trim, and in the child of a fork that the fork handlers saw. */
bool heap_is_valid(void);
/* For a thread whose cache a signal handler may have interrupted in the middle of a change. */
bool heap_is_valid_without_cache(void);
void heap_acquire_locks(void);
void heap_release_locks(void);
/* For a forked child: the threads that held locks in its parent do not exist in it. */
void heap_reset_locks(void);
/* For a forked child, at its first slow path: gives it free locks, and rows and a control block of its own. */
void heap_after_fork(struct tls_cache *survivor);

#endif
