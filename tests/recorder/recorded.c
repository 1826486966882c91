/* recorded.c: makes known calls, to be recorded. The first argument says which. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define BLOCKS 1000

static void *blocks[THREADS][BLOCKS];
static void *volatile kept; /* so that no call is optimised away */
#ifdef TAKES_ADDRESS
void *(*volatile taken)(size_t) = malloc;
#endif

static void *keep(void *block)
{
    kept = block;
    return block;
}

static void call_each(void)
{
    void *aligned = NULL;
    free(keep(malloc(100)));
    free(keep(calloc(3, 50)));
    void *block = realloc(NULL, 10);
    block = realloc(keep(block), 100000);
    block = reallocarray(keep(block), 10, 7);
    block = realloc(keep(block), 0); /* glibc frees it */
    if (!posix_memalign(&aligned, 256, 300))
        free(keep(aligned));
    free(keep(aligned_alloc(64, 128)));
    free(keep(memalign(4096, 5)));
    free(keep(valloc(6)));
    free(keep(pvalloc(7)));
    free(NULL);
    (void)keep(malloc((size_t)1 << 60)); /* fails: nobody's event */
    kept = malloc(77);                   /* never freed */
}

static void *fill(void *argument)
{
    void **mine = argument;
    for (int i = 0; i < BLOCKS; i++)
        mine[i] = malloc(1000 + (size_t)i);
    return NULL;
}

static void call_across_threads(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, fill, blocks[i]);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < BLOCKS; j++)
            free(blocks[i][j]);
}

static void *churn(void *argument)
{
    void *mine[16] = {0};
    unsigned seed = (unsigned)(size_t)argument;
    for (int i = 0; i < 50000; i++) {
        seed = seed * 1103515245u + 12345u;
        void **at = &mine[seed >> 16 & 15];
        if (seed >> 20 & 1) {
            *at = realloc(*at, 1 + (seed >> 21));
        } else {
            free(*at);
            *at = malloc(1 + (seed >> 21));
        }
    }
    for (int i = 0; i < 16; i++)
        free(mine[i]);
    return NULL;
}

static void churn_in_threads(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void fill_and_die(void)
{
    fill(blocks[0]);
    kill(getpid(), SIGKILL);
}

/* The child frees what its parent allocated, then ends by itself, by a signal or as another program. */
static int fork_and(const char *how, const char *program)
{
    fill(blocks[0]);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < BLOCKS; i++)
            free(blocks[0][i]);
        fill(blocks[1]);
        if (!strcmp(how, "fork-killed"))
            kill(getpid(), SIGKILL);
        if (!strcmp(how, "fork-exec"))
            execl(program, program, "each", (char *)NULL);
        _exit(3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    fill(blocks[2]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

static void churn_long(void)
{
    for (int i = 0; i < 10; i++)
        churn((void *)1);
}

static void close_all_descriptors(void)
{
    for (int i = 0; i < 1024; i++)
        close(i);
    churn_long();
}

static void limit_files(void)
{
    struct rlimit limit = {1000, 1000};
    churn((void *)1);
    setrlimit(RLIMIT_FSIZE, &limit);
    churn_long();
}

/* What a program meets that gives up its user; without root, the same by way of the folder. */
static int change_user(void)
{
    const char *spool = getenv("HAKMEM_RECORD_SPOOL");
    churn((void *)1);
    if (geteuid() ? chmod(spool, 0500) : setresuid(65534, 65534, 65534))
        return 1;
    churn_long();
    if (geteuid() != 65534 && chmod(spool, 0700))
        return 1;
    return 5;
}

static volatile sig_atomic_t was_interrupted;

static void on_interrupt(int number)
{
    (void)number;
    was_interrupted = 1;
}

static int wait_for_interrupt(void)
{
    sigset_t blocked, before;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGINT, &action, NULL);
    fill(blocks[0]);
    puts("ready");
    fflush(stdout);
    while (!was_interrupted)
        sigsuspend(&before);
    return 7;
}

/* Says that it began, waits for a line, and goes on for long. */
static int go_on_when_told(void)
{
    fill(blocks[0]);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
    churn_long();
    puts("done");
    return 0;
}

/* Takes every signal there is, and prints its number; SIGTERM is the last. */
static int tell_signals(void)
{
    sigset_t all;
    int number = 0;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    fill(blocks[0]);
    puts("ready");
    while (fflush(stdout), number != SIGTERM && !sigwait(&all, &number))
        printf("%d\n", number);
    return 6;
}

/* Many children alive at once. Each ends when the last has begun. */
static int have_children(int count)
{
    int begun[2], go_on[2], ended = 0;
    char byte = 0;
    fill(blocks[0]);
    if (pipe(begun) || pipe(go_on))
        return 1;
    for (int i = 0; i < count; i++) {
        if (fork() == 0) {
            close(go_on[1]);
            fill(blocks[1]);
            _exit(write(begun[1], &byte, 1) != 1 || read(go_on[0], &byte, 1) != 0);
        }
    }
    for (int i = 0; i < count; i++)
        if (read(begun[0], &byte, 1) != 1)
            return 1;
    puts("all alive");
    fflush(stdout);
    getchar();
    close(go_on[1]);
    for (int i = 0, status; i < count; i++)
        ended += wait(&status) > 0 && status == 0;
    return ended == count ? 5 : 1;
}

static int load_library(const char *path)
{
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(path, RTLD_NOW);
        if (!library)
            return 1;
        void *(*make)(size_t) = NULL;
        void *found = dlsym(library, "make_block");
        memcpy(&make, &found, sizeof found);
        free(make(4321));
        dlclose(library);
    }
    return 0;
}

static int run(int count, char **arguments)
{
    const char *how = count > 1 ? arguments[1] : "";
    if (!strcmp(how, "each"))
        call_each();
    else if (!strcmp(how, "threads"))
        call_across_threads();
    else if (!strcmp(how, "churn"))
        churn_in_threads();
    else if (!strcmp(how, "churn-long"))
        churn_long();
    else if (!strcmp(how, "killed"))
        fill_and_die();
    else if (!strncmp(how, "fork", 4))
        return fork_and(how, arguments[0]);
    else if (!strcmp(how, "exec"))
        return execl(arguments[0], arguments[0], "each", (char *)NULL);
    else if (!strcmp(how, "descriptors"))
        close_all_descriptors();
    else if (!strcmp(how, "limited"))
        limit_files();
    else if (!strcmp(how, "user"))
        return change_user();
    else if (!strcmp(how, "interrupt"))
        return wait_for_interrupt();
    else if (!strcmp(how, "told"))
        return go_on_when_told();
    else if (!strcmp(how, "signals"))
        return tell_signals();
    else if (!strcmp(how, "children"))
        return have_children(atoi(arguments[2]));
    else if (!strcmp(how, "library"))
        return load_library(arguments[2]);
    else if (!strcmp(how, "say"))
        printf("%s\n", count > 2 ? arguments[2] : "");
    else
        return 99;
    return 5;
}

/* "when-told" and the arguments of another way: goes that way for each line that it reads. */
int main(int count, char **arguments)
{
    if (count < 2 || strcmp(arguments[1], "when-told") != 0)
        return run(count, arguments);
    int result = 0;
    puts("ready");
    while (fflush(stdout), getchar() != EOF) {
        arguments[1] = arguments[0];
        result = run(count - 1, arguments + 1);
        puts("done");
    }
    return result;
}
