/* storms.c: what programs do that allocators do not like, many times over; run under LD_PRELOAD.
 *
 * usage: storms forks|signals|cancels|modules|execs ROUNDS [MODULE]
 * Built with -DMODULE it is the module that `modules` loads and lets go. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef MODULE

/* Allocates when it comes, keeps some, and frees when it goes; what it hands out outlives it. */
static void *kept[64];

__attribute__((constructor)) static void come(void)
{
    for (size_t i = 0; i < 64; i++)
        kept[i] = memset(malloc(i * 100 + 1), 1, i * 100 + 1);
}

__attribute__((destructor)) static void go(void)
{
    for (size_t i = 0; i < 64; i++)
        free(kept[i]);
}

__attribute__((visibility("default"))) void *module_block(size_t bytes)
{
    return memset(malloc(bytes), 7, bytes);
}

#else

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            abort();                                                                                 \
        }                                                                                            \
    } while (0)

enum { THREADS = 4, HELD = 200 };
static long rounds;
static _Atomic int is_over;

static const size_t sizes[] = {16, 100, 1000, 5000, 20000, 100000, 600000, 2000000};

/* Blocks of every kind, checked when they are given back. */
static void churn(unsigned seed)
{
    unsigned char *held[HELD];
    size_t bytes[HELD];
    for (int i = 0; i < HELD; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = sizes[(seed >> 16) % (i % 16 ? 5 : 8)] + (seed >> 8) % 16;
        held[i] = malloc(bytes[i]);
        CHECK(held[i]);
        held[i][0] = held[i][bytes[i] - 1] = (unsigned char)i;
    }
    for (int i = 0; i < HELD; i++) {
        CHECK(held[i][0] == (unsigned char)i && held[i][bytes[i] - 1] == (unsigned char)i);
        free(held[i]);
    }
}

static void *churn_on(void *number)
{
    for (unsigned i = 0; !atomic_load(&is_over); i++)
        churn((unsigned)(size_t)number * 1000 + i);
    return NULL;
}

static void start(pthread_t *threads, void *(*run)(void *))
{
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
}

static void join(pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void wait_for(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- forks: several threads fork at once, all of them allocate ------------------------------------- */

static void *grandchild(void *unused)
{
    (void)unused;
    churn(3);
    return NULL;
}

/* With a control block of its own, under its own pid. */
static int has_own_block(void)
{
    char pattern[120];
    snprintf(pattern, sizeof pattern, "ls /dev/shm/hakmem-%d/%d.*.hakmem > /dev/null 2>&1", (int)geteuid(), (int)getpid());
    return system(pattern) == 0;
}

static void *fork_on(void *number)
{
    for (long i = 0; i < rounds; i++) {
        void *of_parent = malloc(300);
        churn((unsigned)i);
        pid_t child = fork();
        if (child == 0) {
            alarm(120);
            free(of_parent);
            churn((unsigned)i);
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, grandchild, NULL) == 0 && pthread_join(thread, NULL) == 0);
            if (number == 0 && i % 8 == 0)
                CHECK(has_own_block());
            _exit(0);
        }
        wait_for(child);
        free(of_parent);
    }
    return NULL;
}

static void forks(void)
{
    pthread_t forkers[THREADS], others[THREADS];
    start(others, churn_on);
    start(forkers, fork_on);
    join(forkers);
    atomic_store(&is_over, 1);
    join(others);
}

/* ---- signals: malloc and free are interrupted everywhere -------------------------------------------- */

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    signals_seen++;
    char here[2000];
    memset(here, 1, sizeof here);
}

static void signals(void)
{
    pthread_t threads[THREADS];
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    start(threads, churn_on);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (long i = 0; i < rounds || signals_seen < rounds; i++) {
        CHECK(pthread_kill(threads[i % THREADS], SIGUSR1) == 0);
        churn((unsigned)i);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    atomic_store(&is_over, 1);
    join(threads);
}

/* ---- cancels: threads end at a cancellation point, with blocks that a handler frees ----------------- */

static void free_all(void *blocks)
{
    for (int i = 0; i < HELD; i++)
        free(((void **)blocks)[i]);
}

static void *until_cancelled(void *unused)
{
    void *blocks[HELD];
    (void)unused;
    for (int i = 0; i < HELD; i++)
        blocks[i] = malloc(sizes[i % 5]);
    pthread_cleanup_push(free_all, blocks);
    for (unsigned i = 0;; i++) {
        free(blocks[i % HELD]);
        blocks[i % HELD] = malloc(sizes[i % 6]);
        if (i % 64 == 0)
            pthread_testcancel();
    }
    pthread_cleanup_pop(1);
    return NULL;
}

static void cancels(void)
{
    for (long i = 0; i < rounds; i++) {
        pthread_t threads[THREADS];
        start(threads, until_cancelled);
        churn((unsigned)i);
        for (int t = 0; t < THREADS; t++) {
            void *result = NULL;
            CHECK(pthread_cancel(threads[t]) == 0 && pthread_join(threads[t], &result) == 0);
            CHECK(result == PTHREAD_CANCELED);
        }
    }
}

/* ---- modules: loaded and let go while others allocate ----------------------------------------------- */

static void modules(const char *path)
{
    pthread_t threads[THREADS];
    void *outlives[8] = {NULL};
    start(threads, churn_on);
    for (long i = 0; i < rounds; i++) {
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECK(module);
        void *(*block)(size_t) = (void *(*)(size_t))dlsym(module, "module_block");
        CHECK(block);
        free(outlives[i % 8]); /* from a module that is gone */
        outlives[i % 8] = block(sizes[i % 8]);
        CHECK(dlclose(module) == 0);
        CHECK(((unsigned char *)outlives[i % 8])[sizes[i % 8] - 1] == 7);
    }
    for (int i = 0; i < 8; i++)
        free(outlives[i]);
    atomic_store(&is_over, 1);
    join(threads);
}

/* ---- execs: a process with threads becomes another, again and again --------------------------------- */

static void execs(char **arguments)
{
    pthread_t threads[THREADS];
    if (rounds == 0)
        return;
    start(threads, churn_on);
    churn(1);
    char left[24];
    snprintf(left, sizeof left, "%ld", rounds - 1);
    arguments[2] = left;
    execv("/proc/self/exe", arguments);
    CHECK(!"exec");
}

int main(int count, char **arguments)
{
    CHECK(count >= 3);
    rounds = atol(arguments[2]);
    const char *what = arguments[1];
    if (strcmp(what, "forks") == 0)
        forks();
    else if (strcmp(what, "signals") == 0)
        signals();
    else if (strcmp(what, "cancels") == 0)
        cancels();
    else if (strcmp(what, "modules") == 0 && count == 4)
        modules(arguments[3]);
    else if (strcmp(what, "execs") == 0)
        execs(arguments);
    else
        return 2;
    printf("%s: ok, %d\n", what, (int)getpid());
    return 0;
}

#endif
