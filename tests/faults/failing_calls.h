/* failing_calls.h: system calls of the allocator that fail as planned. The linker sends them through the __wrap_
 * functions here (CMakeLists.txt), so the allocator itself knows nothing of this. */
#ifndef HAK_FAILING_CALLS_H
#define HAK_FAILING_CALLS_H

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MIB ((size_t)1 << 20)

enum kind { MMAP, MUNMAP, MADVISE, MREMAP, PTHREAD_CREATE, BLOCK_FILE, OCCUPIED, ANY, OUTSIDE, LIMIT, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"mmap", "munmap", "madvise", "mremap", "pthread_create",
                                                   "file", "occupied", "any", "outside", "limit"};

/* ---- system calls that fail ------------------------------------------------------------------------- */

/* Shared with children: one count goes on in the child of a fork. */
struct plan {
    enum kind kind;
    uint64_t first, span; /* calls [first, first + span) fail, counted from 1; span 0: all from first on */
    bool is_lifted;       /* the system gives again */
    uint64_t calls, failures, refusals;
    bool is_block_shared; /* a child could not have a block of its own: figures are of both */
};
static struct plan *plan;

/* Address space and writable memory: as much as there is now, or as much as one likes. */
static void set_limits(bool is_tight)
{
    unsigned long pages = 0;
    FILE *file = is_tight ? fopen("/proc/self/statm", "r") : NULL;
    CHECK(!is_tight || (file && fscanf(file, "%lu", &pages) == 1 && fclose(file) == 0));
    struct rlimit space = {.rlim_cur = is_tight ? pages * 4096 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct rlimit data = {.rlim_cur = is_tight ? 0 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &space) == 0 && setrlimit(RLIMIT_DATA, &data) == 0);
}

static bool is_to_fail(enum kind kind)
{
    if (plan->is_lifted || (plan->kind != kind && plan->kind < ANY))
        return false;
    uint64_t number = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_RELAXED);
    if (!plan->first || number < plan->first || (plan->span && number >= plan->first + plan->span))
        return false;
    __atomic_add_fetch(&plan->failures, 1, __ATOMIC_RELAXED);
    if (plan->kind == LIMIT) {
        int saved_errno = errno;
        if (number == plan->first)
            set_limits(true);
        errno = saved_errno;
        return false; /* the system itself refuses what it must */
    }
    errno = ENOMEM;
    return true;
}

/* The allocator's own calls of the system. Those of the file's that are not here cannot fail for want of anything. */
long __real_system_call(long number, long a, long b, long c, long d, long e, long f);
long __wrap_system_call(long number, long a, long b, long c, long d, long e, long f);

/* As the system does, the target of a move is unmapped before the move is refused; or not even that was
 * possible, when everything fails. */
static void unmap_target(size_t bytes, void *to)
{
    CHECK(plan->span != 1 || __real_system_call(SYS_munmap, (long)to, (long)bytes, 0, 0, 0, 0) == 0);
}

long __wrap_system_call(long number, long a, long b, long c, long d, long e, long f)
{
    int saved_errno = errno;
    bool fails = false;
    long error = -ENOMEM;
    switch (number) {
    case SYS_mmap:
        if (d & MAP_FIXED_NOREPLACE && plan->kind == OCCUPIED) {
            fails = is_to_fail(OCCUPIED);
            error = -EEXIST;
        } else {
            fails = (d & MAP_FIXED_NOREPLACE && plan->kind == OUTSIDE) || is_to_fail(MMAP);
        }
        break;
    case SYS_munmap:
        fails = is_to_fail(MUNMAP);
        break;
    case SYS_madvise:
        fails = is_to_fail(MADVISE);
        break;
    case SYS_mremap:
        fails = is_to_fail(MREMAP);
        if (fails)
            unmap_target((size_t)c, (void *)e);
        break;
    case SYS_openat:
    case SYS_fallocate:
    case SYS_ftruncate:
    case SYS_flock:
    case SYS_linkat:
    case SYS_getdents64:
        fails = is_to_fail(BLOCK_FILE);
        break;
    default:
        break;
    }
    errno = saved_errno;
    return fails ? error : __real_system_call(number, a, b, c, d, e, f);
}

typedef void *routine(void *);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument)
{
    return is_to_fail(PTHREAD_CREATE) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

#endif
