/* superslab_map.c: maps chunks, and runs of frames for big blocks (superslab.h). It has no lock of its own. */
#include "superslab.h"

#include "frames.h"
#include "os.h"
#include "settings.h"
#include "slab_runs.h"
#include "telemetry.h"


#define DENSE_PERCENT 75

/* Whether the slabs of size classes are at least a chunk's worth and mostly full. Then most of a further chunk will be
 * used, and a huge page (one page fault instead of 512) costs little extra memory. The answer is a hint, because the
 * counts may change while they are read. */
static bool are_slabs_dense(void)
{
    int64_t out_bytes = 0, slab_bytes = 0;
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) {
        out_bytes += (int64_t)telemetry_get(&telemetry->classes[i].out) * size_classes[i].bytes;
        slab_bytes += (int64_t)telemetry_get(&telemetry->classes[i].blocks) * size_classes[i].bytes;
    }
    return slab_bytes >= (int64_t)CHUNK_BYTES && out_bytes >= slab_bytes / 100 * DENSE_PERCENT;
}

/* Must be called before any page of the chunk is touched. */
static void advise_huge_pages(struct chunk *chunk, bool is_for_class)
{
    int64_t choice = SETTING(os_thp);
    bool is_huge = choice == THP_DENSE && is_for_class && are_slabs_dense();
    atomic_store_explicit(&chunk->is_huge, is_huge, memory_order_relaxed);
    if (choice == THP_NEVER || choice == THP_ALWAYS || is_huge)
        os_advise_huge_pages(chunk->base, CHUNK_BYTES, choice != THP_NEVER);
}

struct chunk *superslab_map_chunk(const struct actor *actor, bool is_for_class)
{
    struct chunk *chunk = registry_new_chunk(actor);
    if (!chunk)
        return NULL;
    chunk->frames = 0;
    if (!chunk->block_bits)
        chunk->block_bits = os_map(sizeof *chunk->block_bits);
    chunk->base = chunk->block_bits ? frames_acquire(1, CHUNK_BYTES) : NULL;
    if (!chunk->base) {
        registry_remove(chunk);
        return NULL;
    }
    chunk->frames = 1;
    chunk->free_mask = FULL_MASK;
    chunk->dirty_mask = 0;
    chunk->tier = TIER_HOT;
    chunk->best_run = NO_RUN;
    chunk->is_purging = 0;
    chunk->previous = NULL;
    chunk->in_range = range_holds(chunk->base);
    for (unsigned i = 0; i < SLABS_PER_CHUNK; i++)
        chunk->slabs[i] = (struct slab){.index = (uint8_t)i};
    advise_huge_pages(chunk, is_for_class);
    if (!registry_publish(chunk)) {
        frames_release(chunk->base, 1);
        registry_remove(chunk);
        return NULL;
    }
    return chunk;
}

struct chunk *superslab_map_big(const struct actor *actor, size_t bytes, size_t alignment)
{
    if (bytes > SIZE_MAX - CHUNK_BYTES || bytes / CHUNK_BYTES >= UINT32_MAX / 2)
        return NULL;
    struct chunk *chunk = registry_new_chunk(actor);
    if (!chunk)
        return NULL;
    uint32_t frames = (uint32_t)(round_up(bytes, CHUNK_BYTES) / CHUNK_BYTES);
    chunk->frames = 0;
    chunk->base = frames_acquire(frames, alignment > CHUNK_BYTES ? alignment : CHUNK_BYTES);
    if (!chunk->base) {
        registry_remove(chunk);
        return NULL;
    }
    chunk->frames = frames;
    chunk->best_run = NO_RUN;
    chunk->previous = NULL;
    chunk->in_range = range_holds(chunk->base);
    atomic_store_explicit(&chunk->is_altered, 0, memory_order_relaxed);
    chunk_set_kind(chunk, CHUNK_BIG);
    if (!registry_publish(chunk)) {
        frames_release(chunk->base, frames);
        registry_remove(chunk);
        return NULL;
    }
    return chunk;
}

bool superslab_extend_big(struct chunk *chunk, size_t bytes)
{
    if (bytes > SIZE_MAX - CHUNK_BYTES || bytes / CHUNK_BYTES >= UINT32_MAX / 2)
        return false;
    uint32_t frames = (uint32_t)(round_up(bytes, CHUNK_BYTES) / CHUNK_BYTES), had = chunk->frames;
    if (frames <= had)
        return true;
    if (!frames_extend(chunk->base, had, frames))
        return false;
    if (registry_extend(chunk, frames))
        return true;
    frames_release(chunk->base + (size_t)had * CHUNK_BYTES, frames - had);
    return false;
}

void superslab_unmap_big(const struct actor *actor, struct chunk *chunk)
{
    (void)actor;
    char *base = chunk->base;
    uint32_t frames = chunk->frames;
    telemetry_add(&telemetry->global.purged_bytes, (int64_t)chunk->touched_bytes);
    registry_remove(chunk);
    frames_release(base, frames);
}
