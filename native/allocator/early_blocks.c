/* early_blocks.c: a fixed buffer from which blocks are taken and never given back. */
#include "early_blocks.h"

#define BUFFER_BYTES ((size_t)64 * 1024)
#define HEADER_BYTES 16 /* room for the block's size, which stands right before the block */

static _Alignas(SMALLEST_PAGE_BYTES) char buffer[BUFFER_BYTES];
static _Atomic size_t used; /* relaxed: a count; a block reaches another thread through a stronger order */

void *early_blocks_take(size_t alignment, size_t bytes)
{
    if (bytes > BUFFER_BYTES || alignment > BUFFER_BYTES)
        return NULL;
    size_t room = round_up(bytes, HEADER_BYTES) + HEADER_BYTES + (alignment > HEADER_BYTES ? alignment : 0);
    size_t start = atomic_fetch_add_explicit(&used, room, memory_order_relaxed);
    if (start > BUFFER_BYTES || room > BUFFER_BYTES - start) {
        atomic_fetch_sub_explicit(&used, room, memory_order_relaxed);
        return NULL;
    }
    char *block = buffer + start + HEADER_BYTES;
    if (alignment > HEADER_BYTES)
        block = (char *)round_up((uintptr_t)block, alignment);
    ((size_t *)(void *)block)[-1] = bytes;
    return block;
}

size_t early_blocks_usable(const void *block)
{
    const char *byte = block;
    if (byte < buffer + HEADER_BYTES || byte >= buffer + BUFFER_BYTES || (uintptr_t)byte % HEADER_BYTES)
        return 0;
    size_t bytes = ((const size_t *)block)[-1];
    return bytes ? bytes : 1;
}
