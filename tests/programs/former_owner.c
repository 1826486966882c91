/* former_owner.c: a program changes the pages of a block in a way that lasts, and frees it as it is. Later blocks of that
 * size must be as new: writable, there in a child of fork with their content, and not locked.
 *
 * usage: former_owner dontfork|wipeonfork|unreadable|readonly|locked BYTES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 8, PAGE = 4096 };

static int alter(const char *how, void *start, size_t bytes)
{
    if (strcmp(how, "dontfork") == 0)
        return madvise(start, bytes, MADV_DONTFORK);
    if (strcmp(how, "wipeonfork") == 0)
        return madvise(start, bytes, MADV_WIPEONFORK);
    if (strcmp(how, "unreadable") == 0)
        return mprotect(start, bytes, PROT_NONE);
    if (strcmp(how, "readonly") == 0)
        return mprotect(start, bytes, PROT_READ);
    return mlock(start, bytes);
}

static long locked_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmLck: %ld", &kib);
    if (status)
        fclose(status);
    return kib;
}

static int is_whole(char *const *blocks, size_t bytes)
{
    for (int i = 0; i < COUNT; i++)
        for (size_t k = 0; k < bytes; k += 512)
            if (blocks[i][k] != i + 1)
                return 0;
    return 1;
}

int main(int count, char **words)
{
    void *block;
    if (count != 3)
        return 2;
    size_t bytes = strtoul(words[2], NULL, 10);
    for (int round = 0; round < 3; round++) {
        if (posix_memalign(&block, PAGE, bytes) != 0)
            return 2;
        memset(block, 1, bytes);
        if (alter(words[1], block, bytes / PAGE * PAGE) != 0) {
            perror(words[1]);
            return 2;
        }
        free(block);
        char *blocks[COUNT];
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = malloc(bytes);
            memset(blocks[i], i + 1, bytes);
        }
        pid_t child = fork();
        if (child == 0)
            _exit(is_whole(blocks, bytes) ? 0 : 1);
        int status = -1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            printf("status of the child: 0x%x\n", (unsigned)status);
            return 1;
        }
        for (int i = 0; i < COUNT; i++)
            free(blocks[i]);
    }
    printf("ok, %ld KiB locked\n", locked_kib());
    return 0;
}
