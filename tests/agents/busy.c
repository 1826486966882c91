/* busy.c: threads that allocate and compute without a pause. Prints "ready", then ends when its input does; its status is 0
 * if every block, sum and errno was right all the time. Its main thread works too, and looks at its input now and then. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, SLOTS = 64, MOST_BYTES = 4000, ROUNDS_PER_LOOK = 20000 };

static _Atomic int is_over, is_wrong;

struct work {
    unsigned char *block[SLOTS];
    size_t bytes[SLOTS];
    unsigned seed;
};

/* The sum must live in registers for a while: an interruption that forgets some of them makes it wrong. */
static double compute(unsigned seed)
{
    double a = seed % 7, b = 1, c = 2, d = 3;
    for (int i = 0; i < 100; i++) {
        a += b * 0.5;
        b = c - d + 2;
        c += 1;
        d += 1;
    }
    return a - seed % 7;
}

static void work(struct work *work)
{
    unsigned slot = rand_r(&work->seed) % SLOTS;
    errno = (int)slot + 1;
    unsigned char *block = work->block[slot];
    for (size_t i = 0; i < work->bytes[slot]; i++)
        if (block[i] != slot)
            is_wrong = 1;
    if (compute(work->seed) != 50 || errno != (int)slot + 1)
        is_wrong = 1;
    free(block);
    work->bytes[slot] = rand_r(&work->seed) % MOST_BYTES;
    work->block[slot] = malloc(work->bytes[slot]);
    memset(work->block[slot], (int)slot, work->bytes[slot]);
}

static void finish(struct work *work)
{
    for (int i = 0; i < SLOTS; i++)
        free(work->block[i]);
}

static void *run(void *seed)
{
    struct work own = {.seed = *(unsigned *)seed};
    while (!is_over)
        work(&own);
    finish(&own);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS];
    struct work own = {.seed = 1};
    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = 2 + i;
        pthread_create(&threads[i], NULL, run, &seeds[i]);
    }
    puts("ready");
    fflush(stdout);
    for (int rounds = 1; !is_over; rounds++) {
        work(&own);
        if (rounds % ROUNDS_PER_LOOK == 0 && poll(&input, 1, 0) == 1)
            is_over = 1;
    }
    finish(&own);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return is_wrong;
}
