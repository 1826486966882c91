/* system_call.h: system calls by the instruction itself, for the allocator and the writer of control blocks.
 *
 * Any function of the C library may be another library's wrapper (fakeroot, libfaketime), and a wrapper may
 * allocate. The allocator makes system calls while it holds locks, and such a wrapper would wait for the lock for ever.
 * These calls go through no other library, are no cancellation points, and leave errno alone. */
#ifndef HAK_SYSTEM_CALL_H
#define HAK_SYSTEM_CALL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* Returns what the kernel returns: a result, or -errno. The fault test replaces this function by its own. */
long system_call(long number, long a, long b, long c, long d, long e, long f);

/* SYSTEM_CALL(SYS_name, arguments...) with up to six arguments, numbers or pointers. */
#define SYSTEM_CALL(...) SYSTEM_CALL_OF_SIX(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_OF_SIX(number, a, b, c, d, e, f, ...)                                                              \
    system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Returns the new mapping, or NULL. */
static inline void *system_map(void *hint, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    long result = SYSTEM_CALL(SYS_mmap, hint, bytes, protection, flags, descriptor, offset);
    return result < 0 && result >= -4095 ? NULL : (void *)result;
}

#endif
