/* heap_blocks.h: which component a pointer belongs to, and whether its block is a sample (sampler.h). */
#ifndef HAK_HEAP_BLOCKS_H
#define HAK_HEAP_BLOCKS_H

#include "chunk.h"
#include "events.h"
#include "tls_cache.h"

enum block_kind { BLOCK_NONE, BLOCK_EARLY, BLOCK_CLASS, BLOCK_L25, BLOCK_BIG };

struct block_info {
    enum block_kind kind;
    enum event_cause problem; /* for BLOCK_NONE: why the pointer is not a block */
    struct chunk *chunk;
    struct slab *slab;
    size_t usable_bytes; /* what the place of the block holds */
};

struct block_info find_block(const void *block);
/* The same, but returns BLOCK_NONE for a block that is known to be free. */
struct block_info find_live_block(const struct tls_cache *cache, const void *block);

/* Counts a block above 32 KiB, or NULL, that the thread has allocated, and notes it if it is to be sampled. */
void count_large_block(struct tls_cache *cache, const void *block, size_t requested_bytes);
/* Called while the block is still the program's: if it is a sample, the sample ends. */
void end_sample(const struct block_info *info, const void *block);

#endif
