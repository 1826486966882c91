/* thread_rules.c: what a program with several threads or processes may expect of its allocator. */
#include "rules.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { THREADS = 4, BLOCKS = 3000 };

static size_t draw(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return 1 + (*random >> 8) % ((*random >> 4) % 64 == 0 ? 200000 : 600);
}

static void *allocate_all(void *argument)
{
    unsigned char **blocks = argument;
    uint32_t random = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < BLOCKS; i++) {
        size_t bytes = draw(&random);
        blocks[i] = malloc(bytes);
        CHECK(blocks[i] != NULL);
        blocks[i][0] = blocks[i][bytes - 1] = (unsigned char)i;
    }
    return NULL;
}

static void *free_all(void *argument)
{
    unsigned char **blocks = argument;
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(blocks[i][0] == (unsigned char)i);
        free(blocks[i]);
    }
    return NULL;
}

RULE(blocks_outlive_their_thread)
{
    static unsigned char *blocks[THREADS][BLOCKS];
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_create(&threads[t], NULL, allocate_all, blocks[t]) == 0);
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_create(&threads[t], NULL, free_all, blocks[(t + 1) % THREADS]) == 0);
        for (int t = 0; t < THREADS; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
    }
}

static _Atomic bool is_over;

static void *churn(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    unsigned char *kept[64] = {NULL};
    while (!atomic_load(&is_over)) {
        size_t i = draw(&random) % 64, bytes = draw(&random);
        free(kept[i]);
        kept[i] = malloc(bytes);
        CHECK(kept[i] != NULL);
        kept[i][bytes - 1] = 1;
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
    return NULL;
}

/* A child that lives on a copy of locked locks hangs: the alarm ends it. */
static void use_as_child(unsigned char *of_parent)
{
    alarm(60);
    CHECK(of_parent[0] == 7);
    free(of_parent);
    uint32_t random = 5;
    for (int i = 0; i < 2000; i++) {
        unsigned char *block = malloc(draw(&random));
        CHECK(block != NULL);
        block[0] = 1;
        free(block);
    }
    pthread_t thread;
    static unsigned char *blocks[BLOCKS];
    CHECK(pthread_create(&thread, NULL, allocate_all, blocks) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    free_all(blocks);
    _exit(0);
}

RULE(fork_while_threads_allocate)
{
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, churn, (void *)(uintptr_t)(t + 1)) == 0);
    for (int i = 0; i < 20; i++) {
        unsigned char *block = malloc(1000);
        CHECK(block != NULL);
        block[0] = 7;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            use_as_child(block);
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(block[0] == 7);
        free(block);
    }
    atomic_store(&is_over, true);
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_join(threads[t], NULL) == 0);
}

static pthread_key_t key;

static void free_late(void *value)
{
    /* Destructors of thread data may run after the allocator's own. */
    free(value);
    void *block = malloc(100);
    CHECK(block != NULL);
    free(block);
}

static void *keep_thread_data(void *argument)
{
    (void)argument;
    CHECK(pthread_setspecific(key, malloc(100)) == 0);
    return NULL;
}

RULE(thread_data_may_be_freed_at_the_end_of_a_thread)
{
    CHECK(pthread_key_create(&key, free_late) == 0);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, keep_thread_data, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

RULE(many_short_threads_leave_no_memory_behind)
{
    static unsigned char *blocks[BLOCKS];
    static char text[4096];
    long first_kib = 0;
    for (int i = 0; i < 400; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, allocate_all, blocks) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        free_all(blocks);
        if (i != 100 && i != 399)
            continue;
        FILE *status = fopen("/proc/self/status", "r");
        CHECK(status != NULL);
        size_t length = fread(text, 1, sizeof text - 1, status);
        fclose(status);
        text[length] = '\0';
        const char *line = strstr(text, "VmRSS:");
        CHECK(line != NULL);
        long kib = atol(line + 6);
        if (i == 100)
            first_kib = kib;
        else
            CHECK(kib < first_kib * 2 + 32768);
    }
}
