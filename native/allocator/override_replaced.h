/* override_replaced.h: which of the calls that others are defined by a program has replaced.
 *
 * C++ defines most forms of operator new and delete by a few of them: new[] calls new, delete with a size calls delete
 * without. A program that replaces those few expects the other forms to call them, as the C++ runtime's do. In the same
 * way new calls malloc, and reallocarray calls realloc, where a program brings a malloc of its own. This library
 * exports all forms, so it must do the same.
 *
 * These defined calls read `derived_cache` where malloc reads `tls_cache`. The first slow path of a thread makes both
 * the same, unless something is replaced: then `derived_cache` stays the stand-in, each defined call comes to its slow
 * path, and that calls what it is defined by. Where nothing is replaced the fast path is not an instruction longer. */
#ifndef HAK_OVERRIDE_REPLACED_H
#define HAK_OVERRIDE_REPLACED_H

#include <stdbool.h>
#include <stddef.h>

/* The definitions that the program finds: the first in the loader's order of search. They never change. */
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

/* Is any of them not ours? */
bool calls_are_replaced(void);
/* Are aligned_alloc and free both replaced? Only then may a block of one be given to the other. */
bool aligned_calls_are_replaced(void);

/* What a defined call tries on its slow path. False: something is replaced, and nothing was done. */
bool allocate_unless_replaced(void **block, size_t bytes, void *call_site);
bool free_unless_replaced(void *block);

#endif
