/* frames.h: address space in frames of 2 MiB: runs inside the reserved range, else mapped outside it.
 * frames_lock guards the bitmaps; it is held across mprotect only for frames never used before. */
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

void frames_acquire_locks(void);
void frames_release_locks(void);
void frames_reset_locks(void);

#endif
