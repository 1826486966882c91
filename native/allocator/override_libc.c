/* override_libc.c: glibc's other names for its allocation calls. Only libhakmem.so has them.
 *
 * Programs that wrap malloc themselves (Chromium's shim does) call glibc's malloc by these names, and a block from one of
 * these calls may come to this allocator's free. They mean this allocator even if the program has a malloc of its own, so
 * no function here calls malloc by that name.
 *
 * cfree has left glibc's headers. Programs linked before 2.26 ask for it with its version (versions.map of the processor),
 * as does dlvsym. Other names have no version here and match any version that is asked for. */
#include "fast_path.h"
#include "override.h"
#include "processor.h"

EXPORT void *__libc_malloc(size_t bytes)
{
    return fast_malloc(bytes);
}

EXPORT void __libc_free(void *block)
{
    fast_free(block);
}

EXPORT void cfree(void *block)
{
    fast_free(block);
}
__asm__(".symver __libc_free, cfree@" PROCESSOR_FIRST_GLIBC);

EXPORT void *__libc_calloc(size_t count, size_t bytes)
{
    return fast_calloc(count, bytes, CALL_SITE);
}

EXPORT void *__libc_realloc(void *block, size_t bytes)
{
    return fast_realloc(block, bytes, CALL_SITE);
}

EXPORT void *__libc_memalign(size_t alignment, size_t bytes)
{
    return heap_memalign(alignment, bytes, CALL_SITE);
}

EXPORT int __posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return heap_posix_memalign(out, alignment, bytes, CALL_SITE);
}

EXPORT void *__libc_valloc(size_t bytes)
{
    return heap_valloc(bytes, CALL_SITE);
}

EXPORT void *__libc_pvalloc(size_t bytes)
{
    return heap_pvalloc(bytes, CALL_SITE);
}
