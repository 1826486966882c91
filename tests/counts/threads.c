/* threads.c: threads that allocate one block of each of eight classes, and end.
 *   threads COUNT [AT_ONCE]     prints the page faults of the process */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BLOCKS 8
static pthread_barrier_t all_have_blocks;

static void *live(void *unused)
{
    volatile char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc((size_t)16 << i);
        *blocks[i] = 1;
    }
    pthread_barrier_wait(&all_have_blocks);
    for (int i = 0; i < BLOCKS; i++)
        free((void *)blocks[i]);
    return unused;
}

int main(int count, char **words)
{
    int threads = atoi(words[1]), at_once = count > 2 ? atoi(words[2]) : 1;
    pthread_t *names = calloc((size_t)at_once, sizeof *names);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_barrier_init(&all_have_blocks, NULL, (unsigned)at_once);
    for (int done = 0; done < threads; done += at_once) {
        for (int i = 0; i < at_once; i++)
            if (pthread_create(&names[i], &attributes, live, NULL) != 0)
                return 1;
        for (int i = 0; i < at_once; i++)
            pthread_join(names[i], NULL);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld\n", usage.ru_minflt);
    return 0;
}
