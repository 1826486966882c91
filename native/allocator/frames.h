/* frames.h: address space in frames of 2 MiB: runs inside the reserved range, else mapped outside it.
 *
 *   frame       0  1  2  3  4  5  6  7 ...
 *   taken       1  1  1  0  0  1  0  0         holds a chunk or part of a big block
 *   committed   1  1  1  1  1  1  0  0         readable and writable, for ever
 *   dirty       1  1  1  0  1  1  0  0         may hold other than zeros
 *                        ^ search_from: every frame below is taken
 *
 * Invariants (frames_is_valid): taken and dirty frames are committed; a taken one is dirty; no frame below
 * search_from is free. First fit, so that the used part of the range stays short.
 *
 * Lock: frames_lock guards the bitmaps, plainly; it is held across mmap only for frames never used
 * before. */
#ifndef HAK_FRAMES_H
#define HAK_FRAMES_H

#include "base.h"

bool frames_start(void);

/* A run of `count` usable frames at an address aligned to `alignment` (a power of two, at least 2 MiB),
 * or NULL. *is_zeroed: every byte is zero. */
char *frames_acquire(uint32_t count, size_t alignment, bool *is_zeroed);
/* Adds frames [count, wanted) behind a run; false if they are taken. */
bool frames_extend(char *base, uint32_t count, uint32_t wanted, bool *is_zeroed);
/* Gives a run back. is_zeroed: its pages were purged. */
void frames_release(char *base, uint32_t count, bool is_zeroed);

bool frames_is_valid(void);
void frames_acquire_locks(void);
void frames_release_locks(void);
void frames_reset_locks(void);

#endif
