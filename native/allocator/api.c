/* api.c: the allocation calls under hak_ names (hakmem.h), for programs that link the allocator. */
#include "hakmem.h"

#include "fast_path.h"
#include "process.h"

#include <errno.h>

#define CALL_SITE __builtin_return_address(0)

void *hak_malloc(size_t bytes)
{
    return fast_malloc(bytes);
}

void hak_free(void *block)
{
    fast_free(block);
}

void *hak_calloc(size_t count, size_t bytes)
{
    return fast_calloc(count, bytes, CALL_SITE);
}

void *hak_realloc(void *block, size_t bytes)
{
    return fast_realloc(block, bytes, CALL_SITE);
}

void *hak_reallocarray(void *block, size_t count, size_t bytes)
{
    return fast_reallocarray(block, count, bytes, CALL_SITE);
}

int hak_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return heap_posix_memalign(out, alignment, bytes, CALL_SITE);
}

void *hak_aligned_alloc(size_t alignment, size_t bytes)
{
    return heap_memalign(alignment, bytes, CALL_SITE);
}

void *hak_memalign(size_t alignment, size_t bytes)
{
    return heap_memalign(alignment, bytes, CALL_SITE);
}

void *hak_valloc(size_t bytes)
{
    return heap_valloc(bytes, CALL_SITE);
}

void *hak_pvalloc(size_t bytes)
{
    return heap_pvalloc(bytes, CALL_SITE);
}

void hak_free_sized(void *block, size_t bytes)
{
    (void)bytes;
    fast_free(block);
}

void hak_free_aligned_sized(void *block, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    fast_free(block);
}

size_t hak_malloc_usable_size(const void *block)
{
    return fast_usable_size(block);
}

const char *hak_control_path(void)
{
    return process_control_path();
}

int hak_control_problem(char *text, size_t bytes)
{
    return process_control_problem(text, bytes);
}

int hak_trim(void)
{
    return heap_trim() > 0;
}
