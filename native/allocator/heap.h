/* heap.h: what malloc means: which component serves a request, and whose block a pointer is.
 *
 *   bytes <= 1 KiB          tiny: thread cache -> central           (routes: size_class.h)
 *         <= 32 KiB         mid:  thread cache -> central
 *         <= 1 MiB          L2.5 pool
 *         above             BigCache, else a mapping of its own
 *   alignment > 16          the smallest class whose size is a multiple of it
 *
 * These are the slow paths; fast_path.h tries the thread cache first. All keep errno unless they fail. */
#ifndef HAK_HEAP_H
#define HAK_HEAP_H

#include "base.h"
#include "os.h"

struct tls_cache;

void *heap_malloc(size_t bytes, void *call_site);
/* Where the fast path ends for a request of up to 32 KiB: its bin is empty, at a mark, or due a tick (in
 * which case this allocation is counted already). */
void *heap_malloc_cached(size_t bytes);
void *heap_calloc_cached(size_t bytes);
void *heap_calloc(size_t count, size_t bytes, void *call_site);
void *heap_realloc(void *block, size_t bytes, void *call_site);
void *heap_reallocarray(void *block, size_t count, size_t bytes, void *call_site);
/* An alignment that is no power of two is rounded up to one, as by glibc's memalign. */
void *heap_memalign(size_t alignment, size_t bytes, void *call_site);
int heap_posix_memalign(void **out, size_t alignment, size_t bytes, void *call_site);
void *heap_valloc(size_t bytes, void *call_site);
void *heap_pvalloc(size_t bytes, void *call_site);
void heap_free(void *block);
size_t heap_usable_size(const void *block);
/* Does it lie in memory of this allocator? */
bool heap_owns(const void *block);

/* Gives the thread's caches and all idle memory back. Returns the bytes that went to the system. */
size_t heap_trim(void);
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
COLD void heap_make_process_known(void);

static inline void heap_look_at_process(void)
{
    if (UNLIKELY(os_process_state() != PROCESS_KNOWN))
        heap_make_process_known();
}

#endif
