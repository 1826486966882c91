/* next_allocator.c: finds the next allocator, and serves requests that come during the search. */
#include "next_allocator.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define EARLY_BYTES 65536
#define EARLY_ALIGNMENT 64

static _Alignas(EARLY_ALIGNMENT) char early[EARLY_BYTES];
static _Atomic size_t early_used;
static _Atomic bool is_searching;

bool next_allocator_is_early(const void *block)
{
    return (uintptr_t)block - (uintptr_t)early < EARLY_BYTES;
}

/* The size stands before the block, because realloc needs it. */
static void *early_malloc(size_t bytes)
{
    if (bytes > EARLY_BYTES)
        return NULL;
    size_t need = (bytes + 2 * EARLY_ALIGNMENT - 1) & ~(size_t)(EARLY_ALIGNMENT - 1);
    size_t at = atomic_fetch_add_explicit(&early_used, need, memory_order_relaxed);
    if (at > EARLY_BYTES - need) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(early + at, &bytes, sizeof bytes);
    return early + at + EARLY_ALIGNMENT;
}

static void *find_behind(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* memcpy sets the member, because ISO C does not convert the void pointer that dlsym returns to a function pointer. */
#define FIND(member)                                                                                              \
    do {                                                                                                          \
        void *found = find(#member);                                                                              \
        memcpy(&next.member, &found, sizeof found);                                                               \
    } while (0)

bool next_allocator_take(void *(*find)(const char *name))
{
    struct next_allocator next;
    FIND(malloc);
    FIND(free);
    FIND(calloc);
    FIND(realloc);
    FIND(posix_memalign);
    FIND(aligned_alloc);
    FIND(memalign);
    FIND(valloc);
    FIND(pvalloc);
    if (!next.malloc || !next.free || !next.calloc || !next.realloc)
        return false;
    next_allocator = next;
    return true;
}

static bool search(void)
{
    return !atomic_exchange(&is_searching, true) && next_allocator_take(find_behind);
}

static void *first_malloc(size_t bytes)
{
    return search() ? next_allocator.malloc(bytes) : early_malloc(bytes);
}

static void first_free(void *block)
{
    if (search())
        next_allocator.free(block);
}

static void *first_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (search())
        return next_allocator.calloc(count, bytes);
    return __builtin_mul_overflow(count, bytes, &total) ? NULL : early_malloc(total); /* the arena is zero */
}

static void *first_realloc(void *block, size_t bytes)
{
    if (!next_allocator_is_early(block))
        return search() ? next_allocator.realloc(block, bytes) : block ? NULL : early_malloc(bytes);
    size_t old;
    memcpy(&old, (char *)block - EARLY_ALIGNMENT, sizeof old);
    void *copy = early_malloc(bytes);
    if (copy)
        memcpy(copy, block, old < bytes ? old : bytes);
    return copy;
}

static int first_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (search())
        return next_allocator.posix_memalign(out, alignment, bytes);
    void *block = alignment <= EARLY_ALIGNMENT ? early_malloc(bytes) : NULL;
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

static void *first_aligned_alloc(size_t alignment, size_t bytes)
{
    if (search())
        return next_allocator.aligned_alloc(alignment, bytes);
    return alignment <= EARLY_ALIGNMENT ? early_malloc(bytes) : NULL;
}

static void *first_memalign(size_t alignment, size_t bytes)
{
    if (search())
        return next_allocator.memalign(alignment, bytes);
    return alignment <= EARLY_ALIGNMENT ? early_malloc(bytes) : NULL;
}

static void *first_valloc(size_t bytes)
{
    return search() ? next_allocator.valloc(bytes) : NULL;
}

static void *first_pvalloc(size_t bytes)
{
    return search() ? next_allocator.pvalloc(bytes) : NULL;
}

struct next_allocator next_allocator = {
    .malloc = first_malloc,
    .free = first_free,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .posix_memalign = first_posix_memalign,
    .aligned_alloc = first_aligned_alloc,
    .memalign = first_memalign,
    .valloc = first_valloc,
    .pvalloc = first_pvalloc,
};
