/* heap_upkeep.h: what is due now and then, and what concerns every component at once. */
#ifndef HAK_HEAP_UPKEEP_H
#define HAK_HEAP_UPKEEP_H

#include "base.h"

struct tls_cache;

/* Gives what a thread's cache holds and all idle memory back. Returns the bytes that went to the system. */
size_t heap_give_all_back(struct tls_cache *cache);
/* Purges what is due; prints the log; brings components in line with new settings. No lock held. */
void heap_maintain(struct tls_cache *cache);

/* Every structure of every component, each under its lock, and the calling thread's cache: at any time.
 * Debug builds run it at every 16th upkeep, at every trim, and in the child of a fork that its handlers saw. */
bool heap_is_valid(void);
bool heap_is_valid_without_cache(void); /* of a thread that may have been interrupted by a signal */
void heap_acquire_locks(void);
void heap_release_locks(void);
/* In a child: whoever held a lock in its parent is not here. */
void heap_reset_locks(void);
/* In a child, at its first slow path: locks, rows and a control block of its own. */
void heap_after_fork(struct tls_cache *survivor);

#endif
