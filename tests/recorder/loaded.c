/* loaded.c: a library that a recorded program loads and unloads. */
#include <stdlib.h>

void *make_block(size_t bytes);

void *make_block(size_t bytes)
{
    char *block = malloc(bytes);
    if (block)
        block[0] = 1; /* no tail call: the return address is to be here */
    return block;
}
