/* cxx_calls.c: records C++'s operators new and delete, so that the call site is the place of `new` in the program. The
 * runtime's operators call malloc, so otherwise all calls of a C++ program would come from the same place in its library.
 *
 * The next operator is called while this thread is marked as inside the recorder, so that its malloc is not recorded as
 * well. If a program replaces some of the operators, the calls that the operators make are recorded instead of all
 * operators: a block of the program's new may go to the runtime's sized delete, which calls the program's delete.
 * The next operator may throw. This file is compiled with -fexceptions, so that the cleanup runs then, too. */
#include "program_calls.h"
#include "recording.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define CALL_SITE __builtin_return_address(0)

/* RTLD_NEXT does not find a library that the program loaded later with RTLD_LOCAL, so it is looked up by name. */
static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};

static void *find(const char *name)
{
    bool was_inside = recording_thread.is_inside;
    recording_thread.is_inside = true;
    void *found = dlsym(RTLD_NEXT, name);
    for (size_t i = 0; !found && i < sizeof libraries / sizeof *libraries; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library) {
            found = dlsym(library, name);
            dlclose(library);
        }
    }
    recording_thread.is_inside = was_inside;
    if (!found) {
        fprintf(stderr, "workbench record: the program calls %s, which no library defines\n", name);
        abort();
    }
    return found;
}

static void leave(bool *was_inside)
{
    recording_thread.is_inside = *was_inside;
}

/* Until the end of the enclosing scope, this thread records nothing. */
#define STAY_INSIDE                                                                                               \
    __attribute__((cleanup(leave), unused)) bool was_inside = recording_thread.is_inside;                         \
    recording_thread.is_inside = true

/* The next operator is looked up at the first call. Threads that look it up at once find the same. */
#define NEW(name, parameters, arguments, alignment)                                                               \
    EXPORT void *name parameters;                                                                                 \
    EXPORT void *name parameters                                                                                  \
    {                                                                                                             \
        static void *(*next) parameters;                                                                          \
        if (__builtin_expect(!next, 0)) {                                                                         \
            void *found = find(#name);                                                                            \
            memcpy(&next, &found, sizeof found);                                                                  \
        }                                                                                                         \
        if (operators_are_replaced())                                                                             \
            return next arguments;                                                                                \
        void *block;                                                                                              \
        {                                                                                                         \
            STAY_INSIDE;                                                                                          \
            block = next arguments;                                                                               \
        }                                                                                                         \
        if (block)                                                                                                \
            recording_append(alignment ? SPOOL_ALIGNED : SPOOL_MALLOC, block, bytes, alignment, CALL_SITE);       \
        return block;                                                                                             \
    }

#define DELETE(name, parameters, arguments)                                                                       \
    EXPORT void name parameters;                                                                                  \
    EXPORT void name parameters                                                                                   \
    {                                                                                                             \
        static void(*next) parameters;                                                                            \
        if (!block)                                                                                               \
            return;                                                                                               \
        if (__builtin_expect(!next, 0)) {                                                                         \
            void *found = find(#name);                                                                            \
            memcpy(&next, &found, sizeof found);                                                                  \
        }                                                                                                         \
        if (operators_are_replaced()) {                                                                           \
            next arguments;                                                                                       \
            return;                                                                                               \
        }                                                                                                         \
        recording_append(SPOOL_FREE, block, 0, 0, CALL_SITE);                                                     \
        STAY_INSIDE;                                                                                              \
        next arguments;                                                                                           \
    }

/* Names of the Itanium ABI: nw, na, dl, da are new, new[], delete, delete[]; m is a size. */
NEW(_Znwm, (size_t bytes), (bytes), 0)
NEW(_Znam, (size_t bytes), (bytes), 0)
NEW(_ZnwmRKSt9nothrow_t, (size_t bytes, const void *tag), (bytes, tag), 0)
NEW(_ZnamRKSt9nothrow_t, (size_t bytes, const void *tag), (bytes, tag), 0)
NEW(_ZnwmSt11align_val_t, (size_t bytes, size_t alignment), (bytes, alignment), alignment)
NEW(_ZnamSt11align_val_t, (size_t bytes, size_t alignment), (bytes, alignment), alignment)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t bytes, size_t alignment, const void *tag), (bytes, alignment, tag),
    alignment)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t bytes, size_t alignment, const void *tag), (bytes, alignment, tag),
    alignment)

DELETE(_ZdlPv, (void *block), (block))
DELETE(_ZdaPv, (void *block), (block))
DELETE(_ZdlPvm, (void *block, size_t bytes), (block, bytes))
DELETE(_ZdaPvm, (void *block, size_t bytes), (block, bytes))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag), (block, tag))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag), (block, tag))
DELETE(_ZdlPvSt11align_val_t, (void *block, size_t alignment), (block, alignment))
DELETE(_ZdaPvSt11align_val_t, (void *block, size_t alignment), (block, alignment))
DELETE(_ZdlPvmSt11align_val_t, (void *block, size_t bytes, size_t alignment), (block, bytes, alignment))
DELETE(_ZdaPvmSt11align_val_t, (void *block, size_t bytes, size_t alignment), (block, bytes, alignment))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag), (block, alignment, tag))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag), (block, alignment, tag))
