/* agent_process.c: the calls of the C library that go by: by them a preloaded agent starts before main and in the
 * children of fork, and has no thread while the program changes its user, groups or capabilities (agent_helper.c). */
#include "agent.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int main_function(int count, char **words, char **environment);

static main_function *program_main;
static int (*next___libc_start_main)(main_function *function, int count, char **words, void (*init)(void),
                                     void (*fini)(void), void (*loader_fini)(void), void *stack_end);
static pid_t (*next_fork)(void);
static int (*next_daemon)(int keeps_folder, int keeps_output);
static int (*next_forkpty)(int *terminal, char *name, const struct termios *mode, const struct winsize *size);

/* Calls that change the rights of a thread, or of each: name, parameters, arguments. */
#define FOR_EACH_RIGHTS_CALL(X)                                                                                       \
    X(setuid, (uid_t user), (user))                                                                                    \
    X(seteuid, (uid_t user), (user))                                                                                   \
    X(setreuid, (uid_t real, uid_t effective), (real, effective))                                                      \
    X(setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))                                 \
    X(setgid, (gid_t group), (group))                                                                                  \
    X(setegid, (gid_t group), (group))                                                                                 \
    X(setregid, (gid_t real, gid_t effective), (real, effective))                                                      \
    X(setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))                                 \
    X(setgroups, (size_t count, const gid_t *groups), (count, groups))                                                 \
    X(initgroups, (const char *user, gid_t group), (user, group))                                                      \
    X(capset, (void *header, const void *data), (header, data))

#define DECLARE_NEXT(name, parameters, arguments) static int(*next_##name) parameters;
FOR_EACH_RIGHTS_CALL(DECLARE_NEXT)

/* glibc has it, for libcap and libcap-ng; its headers do not declare it. */
AGENT_EXPORT int capset(void *header, const void *data);

/* POSIX says dlsym's result is a function; ISO C has no such cast. */
#define FIND_NEXT(function)                                                                                          \
    do {                                                                                                              \
        void *address = dlsym(RTLD_NEXT, #function);                                                                  \
        memcpy(&next_##function, &address, sizeof address);                                                           \
    } while (0)

/* By a constructor, so that a fork looks nothing up; another library's constructor may fork earlier. */
__attribute__((constructor)) static void find_next(void)
{
    FIND_NEXT(__libc_start_main);
    FIND_NEXT(fork);
    FIND_NEXT(daemon);
    FIND_NEXT(forkpty);
#define FIND_RIGHTS_CALL(name, parameters, arguments) FIND_NEXT(name);
    FOR_EACH_RIGHTS_CALL(FIND_RIGHTS_CALL)
}

static int start_main(int count, char **words, char **environment)
{
    const char *when = getenv("HAKMEM_AGENT");
    if (agent_read_access() != HAK_ACCESS_OFF && (!when || strcmp(when, "on-demand") != 0)) {
        const char *line = agent_start();
        for (size_t length; *line; line += length + (line[length] != 0)) {
            length = strcspn(line, "\n");
            dprintf(STDERR_FILENO, "workbench-agent: %.*s\n", (int)length, line);
        }
    }
    return program_main(count, words, environment);
}

/* The agent starts just before main: an allocator that is written in C++ (tcmalloc) is ready when its constructors have
 * run, and in which order a program's libraries have theirs run depends on how they were named. */
AGENT_EXPORT int __libc_start_main(main_function *function, int count, char **words, void (*init)(void),
                             void (*fini)(void), void (*loader_fini)(void), void *stack_end)
{
    if (!next___libc_start_main)
        find_next();
    program_main = function;
    return next___libc_start_main(start_main, count, words, init, fini, loader_fini, stack_end);
}

/* What a call that forks has returned: 0 in the child. */
static int note_fork(int result)
{
    int saved_errno = errno;
    if (result == 0)
        agent_after_fork();
    errno = saved_errno;
    return result;
}

AGENT_EXPORT pid_t fork(void)
{
    if (!next_fork)
        find_next();
    return note_fork(next_fork());
}

AGENT_EXPORT int daemon(int keeps_folder, int keeps_output)
{
    if (!next_daemon)
        find_next();
    return note_fork(next_daemon(keeps_folder, keeps_output));
}

AGENT_EXPORT int forkpty(int *terminal, char *name, const struct termios *mode, const struct winsize *size)
{
    if (!next_forkpty)
        find_next();
    return note_fork(next_forkpty(terminal, name, mode, size));
}

#define DEFINE_RIGHTS_CALL(name, parameters, arguments)                                                               \
    AGENT_EXPORT int name parameters                                                                                   \
    {                                                                                                                  \
        if (!next_##name)                                                                                              \
            find_next();                                                                                               \
        bool is_paused = agent_pause();                                                                                \
        int result = next_##name arguments;                                                                            \
        if (is_paused)                                                                                                 \
            helpers_resume();                                                                                          \
        return result;                                                                                                 \
    }
FOR_EACH_RIGHTS_CALL(DEFINE_RIGHTS_CALL)
