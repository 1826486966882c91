/* interrupted.c: a signal handler interrupts malloc and free, and makes a child there. The child ends in the handler, or
 * returns from it: then it finishes the call that was interrupted and goes on allocating. So does its parent.
 *
 * usage: interrupted fork|_Fork|vfork|spawn end|return THREADS ROUNDS   THREADS others allocate meanwhile */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *way;
static int must_return, rounds;
static volatile sig_atomic_t children, is_child;
static atomic_bool is_over;

/* Every kind of block; unsigned arithmetic alone decides, so that an interruption changes nothing. */
static void allocate(unsigned *step)
{
    enum { COUNT = 1500 };
    void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        if (!(blocks[i] = malloc((*step)++ * 37 % 9000 + 1)))
            abort();
    for (int i = 0; i < COUNT; i++)
        free(blocks[i]);
    for (size_t bytes = 50000; bytes < 3000000; bytes *= 3) {
        void *block = realloc(malloc(bytes), bytes * 2);
        if (!block)
            abort();
        free(block);
    }
}

static void wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ;
    if (status) {
        static const char text[] = "a child failed\n";
        _exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
    }
}

static void make_child(int number)
{
    (void)number;
    if (is_child || children >= rounds)
        return;
    pid_t child = 0;
    if (strcmp(way, "spawn") == 0) {
        char *arguments[] = {"true", NULL};
        if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0)
            _exit(3);
    } else if (strcmp(way, "vfork") == 0) {
        child = vfork();
        if (child == 0)
            _exit(0);
    } else {
        child = strcmp(way, "_Fork") == 0 ? _Fork() : fork();
        if (child == 0 && !must_return)
            _exit(0);
        if (child == 0) {
            is_child = 1;
            alarm(60);
            return;
        }
    }
    wait_for(child);
    children++;
}

static void *allocate_in_thread(void *unused)
{
    (void)unused;
    unsigned step = 1;
    while (!atomic_load(&is_over))
        allocate(&step);
    return NULL;
}

int main(int count, char **arguments)
{
    static char stack[1 << 16];
    if (count != 5)
        return 2;
    way = arguments[1];
    must_return = strcmp(arguments[2], "return") == 0;
    int threads = atoi(arguments[3]);
    rounds = atoi(arguments[4]);
    pthread_t others[8];
    alarm(120);

    sigset_t timer;
    sigemptyset(&timer);
    sigaddset(&timer, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &timer, NULL); /* of the other threads */
    for (int i = 0; i < threads; i++)
        if (pthread_create(&others[i], NULL, allocate_in_thread, NULL) != 0)
            return 2;
    pthread_sigmask(SIG_UNBLOCK, &timer, NULL);

    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = make_child, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    if (sigaltstack(&alternate, NULL) || sigaction(SIGPROF, &action, NULL) || setitimer(ITIMER_PROF, &often, NULL))
        return 2;
    unsigned step = 0;
    while (children < rounds && !is_child)
        allocate(&step);
    if (is_child) {
        for (int i = 0; i < 3; i++)
            allocate(&step);
        _exit(0);
    }
    setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < threads; i++)
        pthread_join(others[i], NULL);
    printf("%d children\n", (int)children);
    return 0;
}
