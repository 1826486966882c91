/* frames.h: address space in frames of 2 MiB. Runs of frames lie inside the range (range.h), or else outside it.
 *
 *   frame       0  1  2  3  4  5  6  7 ...
 *   taken       1  1  1  0  0  1  1  0         holds a chunk or part of a big block, or is kept
 *   kept        0  0  0  0  0  0  1  0         free, but still mapped: the system would not unmap it
 *                        ^ search_from: every frame below is taken
 *
 * A run is mapped when it is taken and unmapped when it is released. So a free frame costs nothing and counts under no
 * limit, and nothing that an earlier owner did to its pages (madvise, mlock, mprotect) affects the next owner.
 * The system merges neighbouring runs into one mapping. The first free run that is long enough is taken, so that the used
 * part of the range stays short.
 *
 * Unmapping the middle of a mapping makes two mappings of it, which the system refuses if the process has as many as it
 * may have. Then the run gives its pages back but is kept, and serves the next request of at most its length.
 *
 * If a mapping that is not the allocator's lies in the range, the range ends there: no frame behind it is taken any more.
 *
 * Invariants (frames_is_valid): a kept frame is taken; no frame below search_from is free.
 *
 * Lock: frames_lock guards the bitmaps, which are plain words. Runs are mapped and unmapped without the lock, while they
 * are marked as taken. */
#ifndef HAK_FRAMES_H
#define HAK_FRAMES_H

#include "base.h"

/* Returns a run of `count` zeroed frames at an address aligned to `alignment` (a power of two, at least 2 MiB). Returns
 * NULL if there is no memory, or if idle memory must be given back first (memory_limit.h). */
char *frames_acquire(uint32_t count, size_t alignment);
/* Adds zeroed frames [count, wanted) behind a run. Returns false if they are taken, or if there is no memory. */
bool frames_extend(char *base, uint32_t count, uint32_t wanted);
/* Gives a run back. */
void frames_release(char *base, uint32_t count);

bool frames_is_valid(void);
void frames_acquire_locks(void);
void frames_release_locks(void);
void frames_reset_locks(void);

#endif
