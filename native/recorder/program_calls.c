/* program_calls.c: checks whether the loader bound the recorder's references to its own definitions. */
#include "program_calls.h"

#include "cxx_operators.h"
#include "own_symbol.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { UNKNOWN, OWN, REPLACED };
/* Relaxed: every thread that looks finds the same, or they are set before any looks. */
static _Atomic int operators;
static _Atomic bool is_attached;

static int look(void)
{
    return is_own_symbol((void *)_Znwm) && is_own_symbol((void *)_Znam) && is_own_symbol((void *)_ZnwmSt11align_val_t) &&
                   is_own_symbol((void *)_ZnamSt11align_val_t) && is_own_symbol((void *)_ZdlPv) &&
                   is_own_symbol((void *)_ZdaPv) && is_own_symbol((void *)_ZdlPvSt11align_val_t) &&
                   is_own_symbol((void *)_ZdaPvSt11align_val_t)
               ? OWN
               : REPLACED;
}

bool operators_are_replaced(void)
{
    int known = atomic_load_explicit(&operators, memory_order_relaxed);
    if (__builtin_expect(known == UNKNOWN, 0)) {
        known = look();
        atomic_store_explicit(&operators, known, memory_order_relaxed);
    }
    return known == REPLACED;
}

void program_calls_set_attached(bool operators_replaced)
{
    atomic_store_explicit(&operators, operators_replaced ? REPLACED : OWN, memory_order_relaxed);
    atomic_store_explicit(&is_attached, true, memory_order_relaxed);
}

bool reallocate_by_program(void **block, size_t bytes)
{
    if (atomic_load_explicit(&is_attached, memory_order_relaxed) || is_own_symbol((void *)realloc))
        return false;
    *block = realloc(*block, bytes);
    return true;
}
