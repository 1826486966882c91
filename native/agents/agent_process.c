/* agent_process.c: the calls of the C library that go by: by them a preloaded agent starts before main, and in the
 * children of fork. */
#include "agent.h"

#include <dlfcn.h>
#include <errno.h>
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
