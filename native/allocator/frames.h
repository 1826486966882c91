/* frames.h: address space in frames of 2 MiB: runs inside the range (range.h), else mapped outside it.
 *
 *   frame       0  1  2  3  4  5  6  7 ...
 *   taken       1  1  1  0  0  1  1  0         holds a chunk or part of a big block, or is kept
 *   kept        0  0  0  0  0  0  1  0         free, but still mapped: the system would not unmap it
 *                        ^ search_from: every frame below is taken
 *
 * A run is mapped when it is taken and unmapped when it is released: a free frame costs nothing, counts under no
 * limit, and nothing that an earlier owner did to its pages (madvise, mlock, mprotect) reaches the next one.
 * Neighbouring runs are one mapping of the system. First fit, so that the used part of the range stays short.
 *
 * Unmapping the middle of a mapping makes two of it, which is refused to a process that has as many as it may.
 * Such a run gives its pages back and is kept; who asks for a run of its length gets it first.
 *
 * The range ends where another's mapping lies: frames behind it are not taken any more.
 *
 * Invariants (frames_is_valid): a kept frame is taken; no frame below search_from is free.
 *
 * Lock: frames_lock guards the bitmaps, plainly. Runs are mapped and unmapped without it, while they are taken. */
#ifndef HAK_FRAMES_H
#define HAK_FRAMES_H

#include "base.h"

/* A run of `count` zeroed frames at an address aligned to `alignment` (a power of two, at least 2 MiB),
 * or NULL; also where idle memory must go back first (memory_limit.h). */
char *frames_acquire(uint32_t count, size_t alignment);
/* Adds zeroed frames [count, wanted) behind a run; false if they are taken, or there is no memory. */
bool frames_extend(char *base, uint32_t count, uint32_t wanted);
/* Gives a run back. */
void frames_release(char *base, uint32_t count);

bool frames_is_valid(void);
void frames_acquire_locks(void);
void frames_release_locks(void);
void frames_reset_locks(void);

#endif
