/* own_thread.c: a program that must not notice the allocator's own thread (tunable purge.background).
 *
 * usage: own_thread unshare|setns|number   a call that the system grants to a single thread alone, by its name or number
 *        own_thread last                   main ends by pthread_exit; the process ends with its last thread */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int count_threads(void)
{
    int count = -2; /* . and .. */
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

static void allocate(void)
{
    void *blocks[3000];
    for (size_t i = 0; i < 3000; i++)
        blocks[i] = malloc(i * 7 + 1);
    for (size_t i = 0; i < 3000; i++)
        free(blocks[i]);
}

static void wait_for_the_thread(void)
{
    for (int i = 0; i < 3000 && count_threads() < 2; i++) {
        allocate();
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    if (count_threads() != 2)
        exit(2);
}

static void *end_last(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    allocate();
    puts("last");
    fflush(stdout);
    return NULL;
}

static int call_alone(const char *way)
{
    if (strcmp(way, "unshare") == 0)
        return unshare(CLONE_NEWUSER);
    if (strcmp(way, "number") == 0)
        return (int)syscall(SYS_unshare, CLONE_NEWUSER);
    /* Its own name space of mounts: refused only to who shares its folder of work with another thread. */
    int mounts = open("/proc/self/ns/mnt", O_RDONLY);
    return setns(mounts, CLONE_NEWNS);
}

int main(int count, char **arguments)
{
    static pthread_t main_thread, last;
    if (count != 2)
        return 2;
    alarm(60);
    wait_for_the_thread();
    if (strcmp(arguments[1], "last") == 0) {
        main_thread = pthread_self();
        if (pthread_create(&last, NULL, end_last, &main_thread) != 0)
            return 2;
        pthread_exit(NULL);
    }
    for (int i = 0; i < 2; i++) { /* the thread comes back, and goes again */
        if (call_alone(arguments[1]) != 0 && errno != EPERM) {
            perror(arguments[1]);
            return 1;
        }
        wait_for_the_thread();
    }
    puts("alone");
    return 0;
}
