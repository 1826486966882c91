/* override_replaced.c: looks whether the loader bound our own references to us. Only in libhakmem.so. */
#include "override_replaced.h"

#include "control.h"
#include "cxx_operators.h"
#include "fast_path.h"
#include "own_symbol.h"

#include <stdlib.h>

/* Defined in other files, so that the compiler leaves each to the loader. */
const struct program_calls program_calls = {
    .malloc = malloc,
    .free = free,
    .realloc = realloc,
    .aligned_alloc = aligned_alloc,
    .new = _Znwm,
    .new_array = _Znam,
    .new_aligned = _ZnwmSt11align_val_t,
    .new_array_aligned = _ZnamSt11align_val_t,
    .delete = _ZdlPv,
    .delete_array = _ZdaPv,
    .delete_aligned = _ZdlPvSt11align_val_t,
    .delete_array_aligned = _ZdaPvSt11align_val_t,
};

static COLD bool look(void)
{
    void *calls[sizeof program_calls / sizeof(void *)];
    memcpy(calls, &program_calls, sizeof calls);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!is_own_symbol(calls[i]))
            return true;
    return false;
}

/* relaxed: whoever looks finds the same */
static _Atomic int state;
enum { UNKNOWN, OURS, REPLACED };

/* Constructors of other libraries may allocate before ours runs. */
bool calls_are_replaced(void)
{
    int known = atomic_load_explicit(&state, memory_order_relaxed);
    if (UNLIKELY(known == UNKNOWN)) {
        known = look() ? REPLACED : OURS;
        atomic_store_explicit(&state, known, memory_order_relaxed);
    }
    return known == REPLACED;
}

/* Where an entry of a program's linkage table stands for one of them (own_symbol.h), another tells. */
bool control_serves_malloc(void)
{
    return is_own_symbol((void *)program_calls.malloc) && is_own_symbol((void *)program_calls.free) &&
           is_own_symbol((void *)program_calls.realloc) && is_own_symbol((void *)program_calls.aligned_alloc);
}

/* Not later: dladdr takes the loader's lock, which the thread that loads a library may hold and wait for this one. */
__attribute__((constructor)) static void look_early(void)
{
    calls_are_replaced();
}

bool aligned_calls_are_replaced(void)
{
    return calls_are_replaced() && !is_own_symbol((void *)program_calls.aligned_alloc) && !is_own_symbol((void *)program_calls.free);
}

bool allocate_unless_replaced(void **block, size_t bytes, void *call_site)
{
    if (calls_are_replaced())
        return false;
    *block = fast_malloc_at(bytes, call_site);
    derived_cache = tls_cache;
    return true;
}

bool free_unless_replaced(void *block)
{
    if (calls_are_replaced())
        return false;
    fast_free(block);
    derived_cache = tls_cache;
    return true;
}
