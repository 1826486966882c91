/* override_replaced.c: checks whether the loader bound this library's references to its own definitions. Only libhakmem.so
 * has it. */
#include "override_replaced.h"

#include "control.h"
#include "cxx_operators.h"
#include "fast_path.h"
#include "own_symbol.h"

#include <stdlib.h>

/* These are defined in other files, so that the compiler leaves each reference to the loader. */
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

/* Relaxed, because every thread that looks finds the same. */
static _Atomic int state;
enum { UNKNOWN, OURS, REPLACED };

/* May be called before look_early, because constructors of other libraries may allocate earlier. */
bool calls_are_replaced(void)
{
    int known = atomic_load_explicit(&state, memory_order_relaxed);
    if (UNLIKELY(known == UNKNOWN)) {
        known = look() ? REPLACED : OURS;
        atomic_store_explicit(&state, known, memory_order_relaxed);
    }
    return known == REPLACED;
}

/* Several functions are checked, because an entry of a program's linkage table may stand for one of them (own_symbol.h). */
bool control_serves_malloc(void)
{
    return is_own_symbol((void *)program_calls.malloc) && is_own_symbol((void *)program_calls.free) &&
           is_own_symbol((void *)program_calls.realloc) && is_own_symbol((void *)program_calls.aligned_alloc);
}

/* The look must not come later: dladdr takes the loader's lock, and a thread that loads a library may hold that lock while
 * it waits for this thread. */
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
