/* superslab_map.c: maps chunks, and runs of frames for big blocks (superslab.h). It has no lock of its own. */
#include "superslab.h"

#include "frames.h"
#include "os.h"
#include "settings.h"
#include "slab_runs.h"
#include "telemetry.h"

#define DENSE_PERCENT 75

/* Bytes of the blocks in slabs of size classes: of all, and of those that are handed out, to the program or to a thread's
 * cache. The counts may change while they are read. */
struct slab_use {
    int64_t all_bytes, out_bytes;
};

static struct slab_use count_slab_use(void)
{
    struct slab_use use = {0, 0};
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) {
        use.all_bytes += (int64_t)telemetry_get(&telemetry->classes[i].blocks) * size_classes[i].bytes;
        use.out_bytes += (int64_t)telemetry_get(&telemetry->classes[i].out) * size_classes[i].bytes;
    }
    return use;
}

/* Whether the slabs of size classes are at least a chunk's worth and mostly full. Then most of a further chunk will be
 * used, and a huge page (one page fault instead of 512) costs little extra memory. */
static bool are_slabs_dense(void)
{
    struct slab_use use = count_slab_use();
    return use.all_bytes >= (int64_t)CHUNK_BYTES && use.out_bytes >= use.all_bytes / 100 * DENSE_PERCENT;
}

#define LOOK_FRAMES 64u /* so many frames of the range are looked at, or all if there are fewer */
#define LOOK_PART 8u    /* the process must grow by one part in so many between two looks */
#define WRITTEN_PERCENT 80

/* Whether most of the mapped frames' bytes are resident, free slabs between those in use included. */
static bool is_most_written(void)
{
    uint32_t frames = (uint32_t)(range_bytes() / CHUNK_BYTES), step = frames / LOOK_FRAMES + (frames < LOOK_FRAMES);
    uint64_t written_bytes = 0, mapped_bytes = 0;
    for (uint32_t i = 0; i < frames / step; i++) { /* at uneven distances, as programs take blocks at even ones */
        uint32_t frame = i * step + (i * UINT32_C(0x9e3779b1) >> 16) % step;
        int64_t bytes = os_count_written(range.base + (size_t)frame * CHUNK_BYTES);
        if (bytes >= 0) {
            mapped_bytes += CHUNK_BYTES;
            written_bytes += (uint64_t)bytes;
        }
    }
    return mapped_bytes && written_bytes >= mapped_bytes / 100 * WRITTEN_PERCENT;
}

#define FREE_SLABS_PART 10u
#define FREE_BLOCKS_PART 6

/* Whether few slabs are free: those of the newest chunk, and a part of what the process holds. A chunk that is mapped for a
 * long span leaves room that may never be used, and a huge page makes it resident, so that the next look takes it for
 * written. */
static bool are_few_slabs_free(uint64_t held_bytes)
{
    uint64_t slabs = 0, busy = telemetry_get(&telemetry->global.busy_slabs);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        slabs += telemetry_get(&telemetry->tiers[tier].chunks) * SLABS_PER_CHUNK;
    return slabs <= busy || (slabs - busy) * SLAB_BYTES <= CHUNK_BYTES + held_bytes / FREE_SLABS_PART;
}

/* Whether few blocks in slabs are free: a part of what the process holds. If many are, several heaps and classes have slabs
 * of which only a part is ever used. Of eight programs of benchmarks/thp.toml none had more than a seventh while it grew;
 * threads that hand over blocks of many sizes, a quarter. */
static bool are_few_blocks_free(uint64_t held_bytes)
{
    struct slab_use use = count_slab_use();
    return use.all_bytes - use.out_bytes <= (int64_t)(held_bytes / FREE_BLOCKS_PART);
}

/* Whether the process holds os.thp_from_bytes, uses and has written most of it, and grows beyond what it held before.
 * Then it will write to most of what it takes now, too. Otherwise a huge page would make memory resident that stays
 * untouched: the middle of large blocks, or slabs of many heaps and classes that are hardly used. */
static bool has_grown(void)
{
    static _Atomic uint64_t looked_at_bytes; /* relaxed, as the answer is a hint */
    static _Atomic bool is_written;
    uint64_t bytes = telemetry_get(&telemetry->global.committed_bytes);
    uint64_t had = atomic_load_explicit(&looked_at_bytes, memory_order_relaxed);
    if (bytes < (uint64_t)SETTING(os_thp_from_bytes) || bytes < had || !are_few_slabs_free(bytes) ||
        !are_few_blocks_free(bytes))
        return false;
    if (bytes >= had + had / LOOK_PART) {
        atomic_store_explicit(&is_written, is_most_written(), memory_order_relaxed);
        atomic_store_explicit(&looked_at_bytes, bytes, memory_order_relaxed);
    }
    return atomic_load_explicit(&is_written, memory_order_relaxed);
}

static bool are_huge_pages_wanted(bool is_for_class)
{
    switch (SETTING(os_thp)) {
    case THP_ALWAYS:
        return true;
    case THP_DENSE:
        return is_for_class && are_slabs_dense();
    case THP_GROWN:
        return has_grown();
    default:
        return false;
    }
}

/* Tells the system what is wanted for the frames of a chunk from `first` on, before any page of them is touched: huge
 * pages for the `full` ones, or none for any. */
static void advise(struct chunk *chunk, uint32_t first, uint32_t full, bool are_wanted)
{
    uint32_t beyond = are_wanted ? full : chunk->frames;
    if (first >= beyond || !(are_wanted || SETTING(os_thp) == THP_NEVER))
        return;
    os_advise_huge_pages(chunk->base + (size_t)first * CHUNK_BYTES, (size_t)(beyond - first) * CHUNK_BYTES, are_wanted);
    chunk->is_patchwork |= beyond < chunk->frames;
    if (are_wanted)
        atomic_store_explicit(&chunk->huge_frames, beyond, memory_order_relaxed);
}

struct chunk *superslab_map_chunk(const struct actor *actor, bool is_for_class)
{
    struct chunk *chunk = registry_new_chunk(actor);
    if (!chunk)
        return NULL;
    chunk->frames = 0;
    atomic_store_explicit(&chunk->huge_frames, 0, memory_order_relaxed);
    if (!chunk->block_bits)
        chunk->block_bits = os_map(sizeof *chunk->block_bits);
    bool is_huge = are_huge_pages_wanted(is_for_class); /* by what is mapped before */
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
    advise(chunk, 0, 1, is_huge);
    if (!registry_publish(chunk)) {
        frames_release(chunk->base, 1);
        registry_remove(chunk);
        return NULL;
    }
    return chunk;
}

/* The frames of a big block that it fills, the last one at least to three quarters. */
static uint32_t full_frames(size_t bytes)
{
    return (uint32_t)((bytes + CHUNK_BYTES / 4) / CHUNK_BYTES);
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
    bool is_huge = are_huge_pages_wanted(false);
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
    chunk->is_patchwork = false;
    atomic_store_explicit(&chunk->huge_frames, 0, memory_order_relaxed);
    advise(chunk, 0, full_frames(bytes), is_huge);
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
    bool is_huge = are_huge_pages_wanted(false);
    if (!frames_extend(chunk->base, had, frames))
        return false;
    uint32_t huge_frames = atomic_load_explicit(&chunk->huge_frames, memory_order_relaxed);
    if (registry_extend(chunk, frames)) {
        advise(chunk, huge_frames, full_frames(bytes), is_huge);
        return true;
    }
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
