/* sized_free.h: free with the size that the caller knows (C23), if the loaded allocator has it. */
#ifndef HAK_SIZED_FREE_H
#define HAK_SIZED_FREE_H

#include <stdlib.h>

/* It is weak, and so NULL if neither the C library nor a preloaded library defines it. */
extern void free_sized(void *block, size_t bytes) __attribute__((weak));

static inline void sized_free(void *block, size_t bytes)
{
    if (free_sized != NULL)
        free_sized(block, bytes);
    else
        free(block);
}

#endif
