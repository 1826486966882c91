/* sized_free.h: free with the size the caller knows (C23), where the loaded allocator has it. */
#ifndef HAK_SIZED_FREE_H
#define HAK_SIZED_FREE_H

#include <stdlib.h>

/* Weak: NULL if neither the C library nor what is preloaded has it. */
extern void free_sized(void *block, size_t bytes) __attribute__((weak));

static inline void sized_free(void *block, size_t bytes)
{
    if (free_sized != NULL)
        free_sized(block, bytes);
    else
        free(block);
}

#endif
