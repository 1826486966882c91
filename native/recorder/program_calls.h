/* program_calls.h: tells whether a program has replaced calls by which other calls are defined (C++'s operators call each
 * other, and reallocarray calls realloc). */
#ifndef HAK_PROGRAM_CALLS_H
#define HAK_PROGRAM_CALLS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether any of the operators new and delete is replaced. Then a recorded new and the recorded delete of its block might
 * not fit together, so the calls that the operators make are recorded instead. */
bool operators_are_replaced(void);
/* Says so where the loader's binding tells nothing, because the recorder was loaded into a program that runs. Whatever
 * the program's realloc is, then, it is the next allocator's. */
void program_calls_set_attached(bool operators_replaced);

/* Calls the program's own realloc. Returns false, and does nothing, if the program has none. */
bool reallocate_by_program(void **block, size_t bytes);

#endif
