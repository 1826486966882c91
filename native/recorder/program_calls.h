/* program_calls.h: what a program has replaced of the calls that others are defined by (C++'s operators call each
 * other, reallocarray calls realloc). */
#ifndef HAK_PROGRAM_CALLS_H
#define HAK_PROGRAM_CALLS_H

#include <stdbool.h>
#include <stddef.h>

/* Of operators new and delete, any: then the blocks of one need not be what another is given, and what they call is
 * recorded in their place. */
bool operators_are_replaced(void);

/* Through the program's realloc, if it has one of its own. False: it has none, and nothing was done. */
bool reallocate_by_program(void **block, size_t bytes);

#endif
