/* life.c: what programs do that an agent must survive. Prints its pid when it is ready; ends when its input does. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *wait_for_input(void *unused)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return unused;
}

static void say_ready(void)
{
    char line[32];
    int length = snprintf(line, sizeof line, "%d\n", (int)getpid());
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "";
    pthread_t thread;
    if (strcmp(what, "fork") == 0) {
        if (fork() != 0)
            _exit(0);
    } else if (strcmp(what, "daemon") == 0) {
        if (daemon(1, 1) != 0)
            abort();
    } else if (strcmp(what, "exec") == 0) {
        execl(words[0], words[0], "stay", NULL);
        abort();
    } else if (strcmp(what, "close") == 0) {
        for (int i = 3; i < 1024; i++)
            close(i);
    } else if (strcmp(what, "leave") == 0) {
        pthread_create(&thread, NULL, wait_for_input, NULL);
        say_ready();
        pthread_exit(NULL);
    }
    say_ready();
    wait_for_input(NULL);
    return 0;
}
