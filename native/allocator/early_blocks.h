/* early_blocks.h: blocks for a thread that re-enters the allocator's start: a wrapper of a function that the start calls,
 * or a signal handler, allocates before the allocator is ready. The blocks are zeroed, come from a fixed buffer, and are
 * never used again. */
#ifndef HAK_EARLY_BLOCKS_H
#define HAK_EARLY_BLOCKS_H

#include "base.h"

/* Returns NULL when the buffer is used up. */
void *early_blocks_take(size_t alignment, size_t bytes);
/* Returns the usable bytes of an early block, or 0 if `block` is not one. */
size_t early_blocks_usable(const void *block);

#endif
