/* early_blocks.h: blocks for a start that is re-entered: a wrapper of a function that start calls, or a signal handler,
 * allocates before there is an allocator. They come from a fixed buffer, zeroed, and are never used again. */
#ifndef HAK_EARLY_BLOCKS_H
#define HAK_EARLY_BLOCKS_H

#include "base.h"

/* NULL when the buffer is used up. */
void *early_blocks_take(size_t alignment, size_t bytes);
/* Usable bytes, or 0 if `block` is none of these. */
size_t early_blocks_usable(const void *block);

#endif
