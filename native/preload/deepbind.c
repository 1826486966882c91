/* deepbind.c: dlopen without RTLD_DEEPBIND, for libhakmem.so and libhakmem-record.so.
 *
 * A library that is opened with this flag looks for symbols first in itself and in the libraries that it needs, among
 * them glibc, and only then in preloaded libraries. So it calls glibc's malloc, while its program calls the preloaded
 * one. Its calls are not recorded, and a block that passes between it and the program is freed by the wrong allocator.
 * PHP opens its extensions with this flag. Without the flag the library finds the same functions as the program.
 *
 * dlopen uses its return address to choose search path and namespace. So both functions here end in a
 * jump, which leaves the caller's address in place (tests/counts/test_machine_code.py). A separate namespace has its
 * own C library as well, and there the flag makes no difference. */
#include "deepbind.h"

#include <dlfcn.h>
#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

typedef void *dlopen_call(const char *path, int mode);
typedef void *dlmopen_call(Lmid_t namespace, const char *path, int mode);

static dlopen_call first_dlopen;
static dlmopen_call first_dlmopen;

/* The next functions in the search order: the C library's, or another preloaded library's. Relaxed: several threads may
 * make the first call, and all find the same. */
static _Atomic(dlopen_call *) next_dlopen = first_dlopen;
static _Atomic(dlmopen_call *) next_dlmopen = first_dlmopen;
static _Atomic int kept_flags = ~RTLD_DEEPBIND;

#define LOAD(variable) atomic_load_explicit(&(variable), memory_order_relaxed)
#define STORE(variable, value) atomic_store_explicit(&(variable), value, memory_order_relaxed)

EXPORT void *dlopen(const char *path, int mode)
{
    return LOAD(next_dlopen)(path, mode & LOAD(kept_flags));
}

EXPORT void *dlmopen(Lmid_t namespace, const char *path, int mode)
{
    return LOAD(next_dlmopen)(namespace, path, namespace == LM_ID_BASE ? mode & LOAD(kept_flags) : mode);
}

/* The symbols are looked up beforehand, because a thread that looks up a symbol waits while another thread loads
 * libraries. Another library's constructor may call dlopen even earlier, and then first_dlopen looks them up. */
__attribute__((constructor)) static void find_next(void)
{
    if (deepbind_is_kept())
        STORE(kept_flags, ~0);
    STORE(next_dlopen, (dlopen_call *)dlsym(RTLD_NEXT, "dlopen"));
    STORE(next_dlmopen, (dlmopen_call *)dlsym(RTLD_NEXT, "dlmopen"));
}

static void *first_dlopen(const char *path, int mode)
{
    find_next();
    return dlopen(path, mode);
}

static void *first_dlmopen(Lmid_t namespace, const char *path, int mode)
{
    find_next();
    return dlmopen(namespace, path, mode);
}
