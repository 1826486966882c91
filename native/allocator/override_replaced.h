/* override_replaced.h: tells whether a program has replaced one of the calls by which other calls are defined.
 *
 * C++ defines most forms of operator new and delete by a few of them: new[] calls new, delete with a size calls delete
 * without. A program that replaces those few expects the other forms to call them, as the C++ runtime's do. In the same
 * way new calls malloc, and reallocarray calls realloc, if a program brings a malloc of its own. This library
 * exports all forms, so it must do the same.
 *
 * The defined calls read `derived_cache` where malloc reads `tls_cache`. A thread's first slow path in one of them makes
 * both the same, unless some call is replaced. Then `derived_cache` stays the stand-in, so that each defined call takes
 * its slow path, which calls the replacement. If nothing is replaced, the fast path is not an instruction longer. */
#ifndef HAK_OVERRIDE_REPLACED_H
#define HAK_OVERRIDE_REPLACED_H

#include <stdbool.h>
#include <stddef.h>

/* The definitions that the program uses: the first in the loader's search order. They never change. */
struct program_calls {
    void *(*malloc)(size_t bytes);
    void (*free)(void *block);
    void *(*realloc)(void *block, size_t bytes);
    void *(*aligned_alloc)(size_t alignment, size_t bytes);
    void *(*new)(size_t bytes);
    void *(*new_array)(size_t bytes);
    void *(*new_aligned)(size_t bytes, size_t alignment);
    void *(*new_array_aligned)(size_t bytes, size_t alignment);
    void (*delete)(void *block);
    void (*delete_array)(void *block);
    void (*delete_aligned)(void *block, size_t alignment);
    void (*delete_array_aligned)(void *block, size_t alignment);
};
extern const struct program_calls program_calls;

/* Whether any of program_calls is not this library's. */
bool calls_are_replaced(void);
/* Whether aligned_alloc and free are both replaced. Only then may a block of the one be given to the other. */
bool aligned_calls_are_replaced(void);

/* A defined call tries these on its slow path. They do nothing and return false if some call is replaced. */
bool allocate_unless_replaced(void **block, size_t bytes, void *call_site);
bool free_unless_replaced(void *block);

#endif
