/* wrapped.c: works under a library of wrappers (wrappers.c), or linked with one that has handlers of fork. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((weak)) unsigned long wrapper_calls(void);

static void *allocate(void *result)
{
    for (size_t bytes = 1; bytes < 5000000; bytes = bytes * 5 / 4 + 1) {
        char *block = malloc(bytes);
        if (!block)
            abort();
        memset(block, 1, bytes);
        free(block);
    }
    return result;
}

int main(void)
{
    pthread_t thread;
    alarm(60);
    for (int i = 0; i < 3; i++) {
        allocate(NULL);
        if (pthread_create(&thread, NULL, allocate, NULL) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
        pid_t child = fork();
        if (child == 0) {
            alarm(30);
            allocate(NULL);
            exit(0);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "a child ended with status %#x\n", (unsigned)status);
            return 1;
        }
    }
    printf("ok, %lu\n", wrapper_calls ? wrapper_calls() : 0ul);
    return 0;
}
