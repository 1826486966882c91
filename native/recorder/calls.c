/* calls.c: records the C library's allocation calls, and sees dlclose and _exit. */
#include "deepbind.h"
#include "next_allocator.h"
#include "processor.h"
#include "program_calls.h"
#include "recording.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALL_SITE __builtin_return_address(0)

EXPORT void *malloc(size_t bytes)
{
    void *block = next_allocator.malloc(bytes);
    if (block)
        recording_append(SPOOL_MALLOC, block, bytes, 0, CALL_SITE);
    return block;
}

EXPORT void free(void *block)
{
    if (!block || next_allocator_is_early(block))
        return;
    recording_append(SPOOL_FREE, block, 0, 0, CALL_SITE);
    next_allocator.free(block);
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    void *block = next_allocator.calloc(count, bytes);
    if (block)
        recording_append(SPOOL_CALLOC, block, count * bytes, 0, CALL_SITE);
    return block;
}

static inline void *resize(void *block, size_t bytes, const void *call_site)
{
    if (!block || next_allocator_is_early(block)) {
        void *fresh = next_allocator.realloc(block, bytes);
        if (fresh)
            recording_append(SPOOL_MALLOC, fresh, bytes, 0, call_site);
        return fresh;
    }
    recording_append(SPOOL_REALLOC_BEGIN, block, bytes, 0, call_site);
    void *moved = next_allocator.realloc(block, bytes);
    recording_append(SPOOL_REALLOC_END, moved, bytes, 0, call_site);
    return moved;
}

EXPORT void *realloc(void *block, size_t bytes)
{
    return resize(block, bytes, CALL_SITE);
}

EXPORT void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    if (reallocate_by_program(&block, total))
        return block;
    return resize(block, total, CALL_SITE);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    int error = next_allocator.posix_memalign(out, alignment, bytes);
    if (!error && *out)
        recording_append(SPOOL_ALIGNED, *out, bytes, alignment, CALL_SITE);
    return error;
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    void *block = next_allocator.aligned_alloc(alignment, bytes);
    if (block)
        recording_append(SPOOL_ALIGNED, block, bytes, alignment, CALL_SITE);
    return block;
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    void *block = next_allocator.memalign(alignment, bytes);
    if (block)
        recording_append(SPOOL_ALIGNED, block, bytes, alignment, CALL_SITE);
    return block;
}

EXPORT void *valloc(size_t bytes)
{
    void *block = next_allocator.valloc(bytes);
    if (block)
        recording_append(SPOOL_ALIGNED, block, bytes, (size_t)sysconf(_SC_PAGESIZE), CALL_SITE);
    return block;
}

EXPORT void *pvalloc(size_t bytes)
{
    void *block = next_allocator.pvalloc(bytes);
    if (block)
        recording_append(SPOOL_ALIGNED, block, bytes, (size_t)sysconf(_SC_PAGESIZE), CALL_SITE);
    return block;
}

/* --- other names ---------------------------------------------------------------------------------------- */

/* glibc's other names call malloc and free of the next allocator, whichever that is. */
EXPORT void *__libc_malloc(size_t bytes) __attribute__((alias("malloc")));
EXPORT void __libc_free(void *block) __attribute__((alias("free")));
EXPORT void *__libc_calloc(size_t count, size_t bytes) __attribute__((alias("calloc")));
EXPORT void *__libc_realloc(void *block, size_t bytes) __attribute__((alias("realloc")));
EXPORT void *__libc_memalign(size_t alignment, size_t bytes) __attribute__((alias("memalign")));
EXPORT void *__libc_valloc(size_t bytes) __attribute__((alias("valloc")));
EXPORT void *__libc_pvalloc(size_t bytes) __attribute__((alias("pvalloc")));
/* Programs that were linked before cfree left glibc's headers ask for it with this version. */
__asm__(".symver __libc_free, cfree@" PROCESSOR_FIRST_GLIBC);

/* These two are from C23. */
EXPORT void free_sized(void *block, size_t bytes)
{
    (void)bytes;
    free(block);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    free(block);
}

bool deepbind_is_kept(void)
{
    return false; /* calls of a library that is opened with the flag would not be recorded */
}

/* --- unloading a library, and the end of the process --------------------------------------------------- */

static int (*next_dlclose)(void *);
static void (*next_exit)(int); /* the next library's, which may be a preloaded allocator's */

/* A library that is loaded later may get the addresses of the closed one. */
EXPORT int dlclose(void *handle)
{
    int result = next_dlclose ? next_dlclose(handle) : -1;
    recording_forget_modules();
    return result;
}

EXPORT _Noreturn void _exit(int status)
{
    recording_end();
    if (next_exit)
        next_exit(status);
    for (;;)
        syscall(SYS_exit_group, status);
}

EXPORT _Noreturn void _Exit(int status)
{
    _exit(status);
}

/* The functions are looked up before the program begins, because a forked child must not look them up. */
__attribute__((constructor)) static void start(void)
{
    void *found = dlsym(RTLD_NEXT, "dlclose");
    memcpy(&next_dlclose, &found, sizeof found);
    found = dlsym(RTLD_NEXT, "_exit");
    memcpy(&next_exit, &found, sizeof found);
    recording_start();
}

__attribute__((destructor)) static void end(void)
{
    recording_end();
}
