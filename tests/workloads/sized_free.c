/* sized_free.c: preloaded, has free_sized, counts its calls and checks the sizes against what malloc was
 * asked for, and says both on standard error when the program ends. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long calls, wrong_sizes;

void free_sized(void *block, size_t bytes)
{
    calls++;
    /* glibc rounds up to 16 bytes and has at least 24; the rest of a split chunk may stay with it. */
    size_t usable = malloc_usable_size(block);
    wrong_sizes += usable < bytes || usable > bytes + 32;
    free(block);
}

__attribute__((destructor)) static void report(void)
{
    dprintf(STDERR_FILENO, "free_sized: %lu calls, %lu wrong sizes\n", calls, wrong_sizes);
}
