/* next_allocator.h: the allocator that the program would have without the recorder: the C library's, or a preloaded
 * library's that comes behind the recorder. */
#ifndef HAK_NEXT_ALLOCATOR_H
#define HAK_NEXT_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

struct next_allocator {
    void *(*malloc)(size_t bytes);
    void (*free)(void *block);
    void *(*calloc)(size_t count, size_t bytes);
    void *(*realloc)(void *block, size_t bytes);
    int (*posix_memalign)(void **out, size_t alignment, size_t bytes);
    void *(*aligned_alloc)(size_t alignment, size_t bytes);
    void *(*memalign)(size_t alignment, size_t bytes);
    void *(*valloc)(size_t bytes);
    void *(*pvalloc)(size_t bytes);
};

/* Until the next allocator is found, these functions return blocks of a small buffer that are never reused, because the
 * search itself may allocate. */
extern struct next_allocator next_allocator;

/* Takes the functions that `find` finds by their names. Returns false, and takes none, if one of malloc, free, calloc and
 * realloc is missing. */
bool next_allocator_take(void *(*find)(const char *name));

/* Whether a block lies in that buffer. Such a block must not be given to any allocator. */
bool next_allocator_is_early(const void *block);

#endif
