/* life.c: what programs do that an agent must survive. Prints its pid when it is ready; ends when its input does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *wait_for_input(void *unused)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return unused;
}

static void say(int number)
{
    char line[32];
    int length = snprintf(line, sizeof line, "%d\n", number);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

/* A child that waits for the end of the input; its parent ends after it. */
static void have_child(long child)
{
    int status = 1;
    if (child == 0) {
        say((int)syscall(SYS_getpid));
        wait_for_input(NULL);
        _exit(0);
    }
    _exit(waitpid((pid_t)child, &status, 0) == child ? status : 1);
}

/* The last thread; the C library writes its line as the process ends. */
static void *be_last(void *unused)
{
    puts("left");
    return wait_for_input(unused);
}

static void *ask_for_agent(void *unused)
{
    const char *(*start)(void);
    void *symbol = dlsym(RTLD_DEFAULT, "hak_agent_start");
    memcpy(&start, &symbol, sizeof start);
    if (!start || *start())
        abort();
    say(getpid());
    return be_last(unused);
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "";
    pthread_t thread;
    if (strcmp(what, "fork") == 0) {
        if (fork() != 0)
            _exit(0);
    } else if (strcmp(what, "worker") == 0) {
        if (fork() != 0)
            _exit(0);
        if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
            abort();
    } else if (strcmp(what, "daemon") == 0) {
        if (daemon(1, 1) != 0)
            abort();
    } else if (strcmp(what, "forkpty") == 0) {
        int terminal, in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);
        if (forkpty(&terminal, NULL, NULL, NULL) != 0)
            _exit(wait(NULL) < 0);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
    } else if (strcmp(what, "_Fork") == 0) {
        have_child(_Fork());
    } else if (strcmp(what, "clone") == 0) {
        have_child(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    } else if (strcmp(what, "exec") == 0) {
        execl(words[0], words[0], "stay", NULL);
        abort();
    } else if (strcmp(what, "vfork") == 0) {
        if (vfork() == 0) {
            if (setgid(getgid()) != 0) /* many do, before they exec */
                _exit(1);
            execl(words[0], words[0], "stay", NULL);
            _exit(1);
        }
        int status;
        _exit(wait(&status) < 0 || status);
    } else if (strcmp(what, "close") == 0) {
        for (int i = 3; i < 1024; i++)
            close(i);
    } else if (strcmp(what, "unshare") == 0) {
        say(unshare(CLONE_NEWUSER) == 0 ? getpid() : -errno);
        wait_for_input(NULL);
        return 0;
    } else if (strcmp(what, "leave") == 0 || strcmp(what, "late") == 0) {
        pthread_create(&thread, NULL, strcmp(what, "late") == 0 ? ask_for_agent : be_last, NULL);
        if (strcmp(what, "leave") == 0)
            say(getpid());
        pthread_exit(NULL);
    }
    say(getpid());
    wait_for_input(NULL);
    return 0;
}
