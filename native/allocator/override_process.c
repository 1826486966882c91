/* override_process.c: functions of the C library by which a program changes its process in a way that matters to the
 * allocator. Each hands its arguments on to the next library that has the function. Only libhakmem.so has them.
 *
 * A system call that the program makes by an instruction of its own is not noticed. */
#include "override.h"
#include "process.h"
#include "purger.h"
#include "system_call.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- the next library's functions --------------------------------------------------------------- */

typedef void any_function(void);
typedef int register_function(void (*)(void), void (*)(void), void (*)(void), void *);
typedef int prctl_function(int, unsigned long, unsigned long, unsigned long, unsigned long);
typedef long syscall_function(long, long, long, long, long, long, long);
typedef int unshare_function(int);
typedef int setns_function(int, int);

/* Each is found once. Relaxed, because the functions never change. */
static _Atomic(any_function *) next_register, next_prctl, next_syscall, next_unshare, next_setns;

/* Returns NULL if this thread is already looking: dlsym may be a wrapper that calls the function itself. */
static any_function *find_next(_Atomic(any_function *) *next, const char *name)
{
    static __thread bool is_looking;
    any_function *function = atomic_load_explicit(next, memory_order_relaxed);
    if (LIKELY(function) || is_looking)
        return function;
    is_looking = true;
    function = (any_function *)dlsym(RTLD_NEXT, name);
    is_looking = false;
    atomic_store_explicit(next, function, memory_order_relaxed);
    return function;
}

/* The functions are found before there are threads, because dlsym takes a lock that may be held in the child of a fork. */
__attribute__((constructor)) static void find_all(void)
{
    find_next(&next_register, "__register_atfork");
    find_next(&next_prctl, "prctl");
    find_next(&next_syscall, "syscall");
    find_next(&next_unshare, "unshare");
    find_next(&next_setns, "setns");
}

/* Returns the result of a system call as the C library does. */
static long set_errno(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

/* ---- fork --------------------------------------------------------------------------------------- */

/* pthread_atfork is linked into each library and calls this function. */
EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);
EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
{
    process_watch_forks();
    register_function *next = (register_function *)find_next(&next_register, "__register_atfork");
    return next ? next(prepare, parent, child, library) : ENOSYS;
}

/* ---- confinement and name spaces ---------------------------------------------------------------- */

static long call_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    prctl_function *next = (prctl_function *)find_next(&next_prctl, "prctl");
    return next ? next(option, a, b, c, d) : set_errno(SYSTEM_CALL(SYS_prctl, option, a, b, c, d));
}

EXPORT int prctl(int option, ...)
{
    __builtin_va_list arguments;
    __builtin_va_start(arguments, option);
    unsigned long a = __builtin_va_arg(arguments, unsigned long), b = __builtin_va_arg(arguments, unsigned long);
    unsigned long c = __builtin_va_arg(arguments, unsigned long), d = __builtin_va_arg(arguments, unsigned long);
    __builtin_va_end(arguments);
    if (LIKELY(option != PR_SET_SECCOMP))
        return (int)call_prctl(option, a, b, c, d);
    process_confine();
    int result = (int)call_prctl(option, a, b, c, d);
    if (result != 0)
        process_unconfine();
    return result;
}

static bool is_confining(long number, long a)
{
    return (number == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER)) ||
           (number == SYS_prctl && (int)a == PR_SET_SECCOMP);
}

static long call_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    syscall_function *next = (syscall_function *)find_next(&next_syscall, "syscall");
    return next ? next(number, a, b, c, d, e, f) : set_errno(system_call(number, a, b, c, d, e, f));
}

/* A result above 0 is the number of a thread that could not take the filter (SECCOMP_FILTER_FLAG_TSYNC), or a descriptor
 * for the filter's notifications (SECCOMP_FILTER_FLAG_NEW_LISTENER). In the first case the process is not confined, but
 * counting it as confined does no harm. */
static NOINLINE long call_noticed(long number, long a, long b, long c, long d, long e, long f)
{
    if (is_confining(number, a)) {
        process_confine();
        long result = call_syscall(number, a, b, c, d, e, f);
        if (result < 0)
            process_unconfine();
        return result;
    }
    purger_stop();
    long result = call_syscall(number, a, b, c, d, e, f);
    purger_allow();
    return result;
}

EXPORT long syscall(long number, ...)
{
    __builtin_va_list arguments;
    __builtin_va_start(arguments, number);
    long a = __builtin_va_arg(arguments, long), b = __builtin_va_arg(arguments, long);
    long c = __builtin_va_arg(arguments, long), d = __builtin_va_arg(arguments, long);
    long e = __builtin_va_arg(arguments, long), f = __builtin_va_arg(arguments, long);
    __builtin_va_end(arguments);
    return UNLIKELY(is_confining(number, a) || number == SYS_unshare || number == SYS_setns)
               ? call_noticed(number, a, b, c, d, e, f)
               : call_syscall(number, a, b, c, d, e, f);
}

EXPORT int unshare(int flags)
{
    unshare_function *next = (unshare_function *)find_next(&next_unshare, "unshare");
    purger_stop();
    int result = next ? next(flags) : (int)set_errno(SYSTEM_CALL(SYS_unshare, flags));
    purger_allow();
    return result;
}

EXPORT int setns(int descriptor, int type)
{
    setns_function *next = (setns_function *)find_next(&next_setns, "setns");
    purger_stop();
    int result = next ? next(descriptor, type) : (int)set_errno(SYSTEM_CALL(SYS_setns, descriptor, type));
    purger_allow();
    return result;
}
