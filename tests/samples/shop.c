/* Holds 10000 blocks of 100 bytes by one function and 50 of 100000 by another, allocates 20000 that it frees at once, and
 * goes down as many KiB of stack as it is told first; with `jit`, code that it makes calls the first function. Then, for each line on standard input, holds 1 MB more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *volatile held[20000];
static unsigned count;

__attribute__((noinline)) static void hold(size_t bytes)
{
    held[count++] = malloc(bytes);
}

__attribute__((noinline)) void keep_small(void)
{
    for (unsigned i = 0; i < 10000; i++)
        hold(100);
}

__attribute__((noinline)) void keep_large(void)
{
    for (unsigned i = 0; i < 50; i++)
        hold(100000);
}

__attribute__((noinline)) void churn(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        char *volatile block = malloc(300);
        free(block);
    }
}

__attribute__((noinline)) void grow(void)
{
    for (unsigned i = 0; i < 1000; i++)
        hold(1000);
}

__attribute__((noinline)) static void dive(unsigned levels)
{
    volatile char ballast[1000];
    memset((char *)ballast, 1, sizeof ballast);
    if (levels)
        dive(levels - 1);
    else
        keep_small();
    ballast[0]++;
}

/* push rbp; mov rbp, rsp; call rdi; pop rbp; ret */
static void call_by_made_code(void (*function)(void))
{
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    void *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        abort();
    memcpy(made, code, sizeof code);
    mprotect(made, 4096, PROT_READ | PROT_EXEC);
    ((void (*)(void (*)(void)))made)(function);
}

int main(int words, char **word)
{
    char line[100];
    if (words > 1 && strcmp(word[1], "jit") == 0)
        call_by_made_code(keep_small);
    else if (words > 1)
        dive((unsigned)atoi(word[1]));
    else
        keep_small();
    keep_large();
    churn();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        grow();
        puts("grown");
        fflush(stdout);
    }
    return 0;
}
