/* deepbind.c: dlopen without RTLD_DEEPBIND. In libhakmem.so and in libhakmem-record.so.
 *
 * A library that is opened with this flag looks for symbols in itself and in what it needs first: in glibc, before it
 * looks in what is preloaded. Its malloc is then glibc's, while its program's is the preloaded one: the recorder does
 * not see it, and a block that passes between it and the program is freed by the wrong allocator. PHP opens its
 * extensions so. Without the flag the library finds what the program finds.
 *
 * dlopen looks at its return address: whose search path and which namespace it works for. So both functions end in a
 * jump, and the caller's address stays where it is (tests/counts/test_machine_code.py). A namespace of its own has its
 * own C library as well; there the flag makes no difference. */
#include "deepbind.h"

#include <dlfcn.h>
#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

typedef void *dlopen_call(const char *path, int mode);
typedef void *dlmopen_call(Lmid_t namespace, const char *path, int mode);

static dlopen_call first_dlopen;
static dlmopen_call first_dlmopen;

/* The next in the order of search: the C library's, or another preload's. Relaxed: several threads may make the first
 * call, and all find the same. */
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

/* While one thread loads libraries, another that looks up a symbol waits for it: so it is done beforehand. But another
 * library's constructor may call dlopen earlier. */
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
