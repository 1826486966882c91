/* heap_blocks.c: which component a pointer belongs to, and whether its block is a sample. */
#include "heap_blocks.h"

#include "big_cache.h"
#include "central.h"
#include "early_blocks.h"
#include "integrity.h"
#include "l25_pool.h"
#include "lifecycle.h"
#include "registry.h"
#include "sampler.h"
#include "samples.h"
#include "superslab.h"

static struct block_info no_block(enum event_cause problem)
{
    return (struct block_info){.kind = BLOCK_NONE, .problem = problem};
}

struct block_info find_block(const void *block)
{
    struct chunk *chunk = lifecycle_is_started() ? registry_find(block) : NULL;
    if (!chunk) {
        size_t early_bytes = early_blocks_usable(block);
        return early_bytes ? (struct block_info){.kind = BLOCK_EARLY, .usable_bytes = early_bytes}
                           : no_block(CAUSE_FOREIGN);
    }
    if (chunk_kind(chunk) == CHUNK_BIG) {
        if (block != big_block(chunk))
            return no_block(CAUSE_MISALIGNED);
        return (struct block_info){.kind = BLOCK_BIG, .chunk = chunk, .usable_bytes = big_cache_block_bytes(chunk)};
    }
    struct slab *slab = slab_of(chunk, block);
    size_t offset = (size_t)((const char *)block - slab_start(slab));
    if (slab->state == SLAB_CLASS) {
        const struct block_shape *shape = block_shape(class_key(slab->class_index));
        if (!is_block_start(shape, block))
            return no_block(CAUSE_MISALIGNED);
        return (struct block_info){.kind = BLOCK_CLASS, .chunk = chunk, .slab = slab, .usable_bytes = shape->bytes};
    }
    if (slab->state != SLAB_L25)
        return no_block(CAUSE_FOREIGN);
    if (offset)
        return no_block(CAUSE_MISALIGNED);
    return (struct block_info){.kind = BLOCK_L25, .chunk = chunk, .slab = slab, .usable_bytes = l25_pool_block_bytes(slab)};
}

struct block_info find_live_block(const struct tls_cache *cache, const void *block)
{
    struct block_info info = find_block(block);
    bool is_free = false;
    if (info.kind == BLOCK_CLASS)
        is_free = cache->check_level >= 3 && integrity_is_free(info.chunk, block);
    else if (info.kind == BLOCK_L25)
        is_free = !l25_pool_is_at_user(info.slab);
    else if (info.kind == BLOCK_BIG)
        is_free = !big_cache_is_at_user(info.chunk);
    return is_free ? no_block(CAUSE_DOUBLE_FREE) : info;
}

void count_large_block(struct tls_cache *cache, const void *block, size_t requested_bytes)
{
    if (LIKELY(!cache->sample_interval_bytes) || !block)
        return;
    struct block_info info = find_block(block);
    if (!sampler_note_large(cache, block, requested_bytes, info.usable_bytes))
        return;
    if (info.kind == BLOCK_BIG)
        info.chunk->is_sampled = 1;
    else
        info.slab->is_sampled = 1;
}

void end_sample(const struct block_info *info, const void *block)
{
    uint8_t *mark = info->kind == BLOCK_BIG ? &info->chunk->is_sampled : info->kind == BLOCK_L25 ? &info->slab->is_sampled : NULL;
    if (mark ? !*mark : info->kind != BLOCK_CLASS || LIKELY(info->slab->heap != central_sampled_heap()))
        return;
    if (mark)
        *mark = 0;
    samples_end(block);
}
