/* override_cxx.c: C++'s operators new and delete, under their mangled names, in C. Only in libhakmem.so.
 *
 * All or none: a library that brings operators of its own (a pool, another malloc) defines both halves,
 * and with only delete exported here its blocks would come to our free. So all 20 are defined, and each
 * pair meets in one allocator whoever else defines them further down the search order.
 *
 * C cannot throw. When there is no memory, new asks the C++ runtime's operator of the same name, which
 * tries malloc again, calls the new handler as long as there is one, and throws std::bad_alloc (or gives
 * NULL, if nothrow); the exception passes through the frames here, which have nothing to clean up. The
 * runtime is looked up by its library first: what stands next in the search order may be such a pool. */
#include "fast_path.h"
#include "override.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>


static COLD void *find_in_runtime(const char *name)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        void *library = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        void *operator = library ? dlsym(library, name) : NULL;
        if (operator)
            return operator;
    }
    void *operator = dlsym(RTLD_NEXT, name);
    if (operator)
        return operator;
    static const char line[] = "hakmem: operator new: no memory, and no C++ runtime to throw std::bad_alloc with\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0)
        abort();
    abort();
}

#define NEW(name)                                                                                    \
    EXPORT void *name(size_t bytes)                                                                  \
    {                                                                                                \
        void *block = fast_malloc_at(bytes, CALL_SITE);                                              \
        return LIKELY(block != NULL) ? block : ((void *(*)(size_t))find_in_runtime(#name))(bytes);   \
    }
#define NEW_NOTHROW(name)                                                                            \
    EXPORT void *name(size_t bytes, const void *nothrow)                                             \
    {                                                                                                \
        typedef void *operator(size_t, const void *);                                                \
        void *block = fast_malloc_at(bytes, CALL_SITE);                                              \
        return LIKELY(block != NULL) ? block : ((operator *)find_in_runtime(#name))(bytes, nothrow); \
    }
#define NEW_ALIGNED(name)                                                                            \
    EXPORT void *name(size_t bytes, size_t alignment)                                                \
    {                                                                                                \
        typedef void *operator(size_t, size_t);                                                      \
        void *block = heap_memalign(alignment, bytes, CALL_SITE);                                    \
        return LIKELY(block != NULL) ? block : ((operator *)find_in_runtime(#name))(bytes, alignment); \
    }
#define NEW_ALIGNED_NOTHROW(name)                                                                    \
    EXPORT void *name(size_t bytes, size_t alignment, const void *nothrow)                           \
    {                                                                                                \
        typedef void *operator(size_t, size_t, const void *);                                        \
        void *block = heap_memalign(alignment, bytes, CALL_SITE);                                    \
        return LIKELY(block != NULL) ? block                                                         \
                                     : ((operator *)find_in_runtime(#name))(bytes, alignment, nothrow); \
    }
/* Size and alignment say nothing that the address does not. */
#define DELETE(name, ...)                                                                            \
    EXPORT void name(void *block, ##__VA_ARGS__)                                                     \
    {                                                                                                \
        fast_free(block);                                                                            \
    }
#define BYTES size_t bytes __attribute__((unused))
#define ALIGNMENT size_t alignment __attribute__((unused))
#define NOTHROW const void *nothrow __attribute__((unused))

NEW(_Znwm)
NEW(_Znam)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
NEW_NOTHROW(_ZnamRKSt9nothrow_t)
NEW_ALIGNED(_ZnwmSt11align_val_t)
NEW_ALIGNED(_ZnamSt11align_val_t)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvm, BYTES)
DELETE(_ZdaPvm, BYTES)
DELETE(_ZdlPvRKSt9nothrow_t, NOTHROW)
DELETE(_ZdaPvRKSt9nothrow_t, NOTHROW)
DELETE(_ZdlPvSt11align_val_t, ALIGNMENT)
DELETE(_ZdaPvSt11align_val_t, ALIGNMENT)
DELETE(_ZdlPvmSt11align_val_t, BYTES, ALIGNMENT)
DELETE(_ZdaPvmSt11align_val_t, BYTES, ALIGNMENT)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, ALIGNMENT, NOTHROW)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, ALIGNMENT, NOTHROW)
