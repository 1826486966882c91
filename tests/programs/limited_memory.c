/* limited_memory.c: a program under a limit of its address space. Each scenario takes memory until malloc
 * says NULL, gives it back, and goes on. It says what was had, in MiB, one line each time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_MIB 4096 /* no limit at all */

static void *head; /* blocks that are held, linked through their first word */

static size_t take_all(size_t bytes)
{
    size_t total = 0;
    while (total >> 20 < STOP_MIB) {
        errno = 0;
        void **block = malloc(bytes);
        if (!block) {
            if (errno != ENOMEM)
                printf("errno %d\n", errno);
            break;
        }
        memset(block, 0x5A, bytes < 4096 ? bytes : 4096);
        *block = head;
        head = block;
        total += bytes;
    }
    return total >> 20;
}

static void give_all(void)
{
    while (head) {
        void **block = head;
        head = *block;
        free(block);
    }
}

/* What was freed in one size is to be had in the next. */
int main(int count, char **sizes)
{
    for (int i = 1; i < count; i++) {
        size_t bytes = strtoul(sizes[i], NULL, 10);
        printf("%zu\n", take_all(bytes));
        void *grown = head ? realloc(head, bytes + (16u << 20)) : NULL;
        if (grown) /* else the block stays as it was */
            head = grown;
        give_all();
    }
    free(malloc(100));
    return 0;
}
