/* heap.h: the slow paths of malloc and its kin: which component serves a request, and to which one a block belongs.
 *
 *   bytes <= 1 KiB          tiny: thread cache -> central           (routes: size_class.h)
 *         <= 32 KiB         mid:  thread cache -> central
 *         <= 1 MiB          L2.5 pool
 *         above             BigCache, else a mapping of its own
 *   alignment > 16          the smallest class whose size is a multiple of it
 *
 * fast_path.h tries the thread cache first. All functions keep errno unless they fail. */
#ifndef HAK_HEAP_H
#define HAK_HEAP_H

#include "base.h"
#include "heap_upkeep.h"
#include "os.h"

void *heap_malloc(size_t bytes, void *call_site);
/* The fast path calls these for a request of up to 32 KiB if bin_may_pop is false: the bin is at its floor, or a tick is
 * due (then this allocation is counted already). */
void *heap_malloc_cached(size_t bytes);
void *heap_calloc_cached(size_t bytes);
void *heap_calloc(size_t count, size_t bytes, void *call_site);
void *heap_realloc(void *block, size_t bytes, void *call_site);
void *heap_reallocarray(void *block, size_t count, size_t bytes, void *call_site);
/* Like glibc's memalign, it rounds an alignment up to a power of two. */
void *heap_memalign(size_t alignment, size_t bytes, void *call_site);
int heap_posix_memalign(void **out, size_t alignment, size_t bytes, void *call_site);
void *heap_valloc(size_t bytes, void *call_site);
void *heap_pvalloc(size_t bytes, void *call_site);
void heap_free(void *block);
size_t heap_usable_size(const void *block);
/* Whether the address lies in memory of this allocator. */
bool heap_owns(const void *block);

/* Gives the thread's caches and all idle memory back. Returns the bytes that went to the system. */
size_t heap_trim(void);

COLD void heap_make_process_known(void);

static inline void heap_look_at_process(void)
{
    if (UNLIKELY(os_process_state() != PROCESS_KNOWN))
        heap_make_process_known();
}

#endif
