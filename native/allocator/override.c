/* override.c: the C library's allocation functions. Only libhakmem.so has them. */
#include "deepbind.h"
#include "fast_path.h"
#include "override.h"
#include "override_replaced.h"
#include "process.h"
#include "settings.h"

EXPORT ON_A_LINE void *malloc(size_t bytes)
{
    return fast_malloc(bytes);
}

EXPORT ON_A_LINE void free(void *block)
{
    fast_free(block);
}

/* The C23 functions ignore size and alignment, because the address tells both. */
static NOINLINE void free_sized_slowly(void *block)
{
    if (UNLIKELY(!free_unless_replaced(block)))
        program_calls.free(block);
}

EXPORT void free_sized(void *block, size_t bytes)
{
    (void)bytes;
    if (UNLIKELY(!try_free_cached(derived_cache, block)))
        free_sized_slowly(block);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    if (UNLIKELY(aligned_calls_are_replaced()))
        program_calls.free(block);
    else
        fast_free(block);
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    return fast_calloc(count, bytes, CALL_SITE);
}

EXPORT void *realloc(void *block, size_t bytes)
{
    return fast_realloc(block, bytes, CALL_SITE);
}

static NOINLINE void *reallocarray_slowly(void *block, size_t bytes, void *call_site)
{
    if (calls_are_replaced())
        return program_calls.realloc(block, bytes);
    block = fast_realloc(block, bytes, call_site);
    derived_cache = tls_cache;
    return block;
}

EXPORT void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;
    if (UNLIKELY(__builtin_mul_overflow(count, bytes, &total)))
        return heap_reallocarray(block, count, bytes, CALL_SITE);
    return realloc_cached(derived_cache, block, total, CALL_SITE, reallocarray_slowly);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return heap_posix_memalign(out, alignment, bytes, CALL_SITE);
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fast_memalign(alignment, bytes, CALL_SITE);
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    return fast_memalign(alignment, bytes, CALL_SITE);
}

EXPORT void *valloc(size_t bytes)
{
    return heap_valloc(bytes, CALL_SITE);
}

EXPORT void *pvalloc(size_t bytes)
{
    return heap_pvalloc(bytes, CALL_SITE);
}

EXPORT size_t malloc_usable_size(void *block)
{
    return fast_usable_size(block);
}

EXPORT int malloc_trim(size_t keep_bytes)
{
    (void)keep_bytes; /* in glibc, the bytes to keep at the top of the heap */
    return heap_trim() > 0;
}

bool deepbind_is_kept(void)
{
    process_control_path(); /* reads the settings */
    return SETTING(os_deepbind) != 0;
}

/* The allocator starts here, so that a preloaded program can be seen and tuned even before its first allocation. */
__attribute__((constructor)) static void start(void)
{
    process_control_path();
}
