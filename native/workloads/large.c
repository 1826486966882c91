/* large.c: replaces large blocks, e.g. images or buffers, at random; few are live at a time. After
 * "malloc-large" of mimalloc-bench (Leijen, Zorn, de Moura: "Mimalloc: Free List Sharding in Action",
 * APLAS 2019), whose blocks are 5 to 25 MiB: min_size=5242880 max_size=26214400 live=20. */
#include "block_content.h"
#include "catalogue.h"

enum { LIVE, MIN_SIZE, MAX_SIZE, TOUCHED, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [LIVE] = {"live", "blocks", "Blocks a thread keeps.", 1, 100000, 64},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1024, 1073741824, 65536},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1024, 1073741824, 4194304},
    [TOUCHED] = {"touched", "%", "Share of a block's pages that is written, besides its ends.", 0, 100, 0},
};

struct large {
    struct content_sizes sizes;
    uint32_t live, touched_percent;
    size_t mapped_bytes;
    struct content_block blocks[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static bool allocate(struct workload_lane *lane, struct large *large, uint32_t index, uint32_t bits)
{
    struct content_block *block = &large->blocks[index];
    if (!content_allocate(lane, block, content_draw_size(&large->sizes, bits)))
        return false;
    content_touch_pages(block, large->touched_percent);
    return true;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t live = (uint32_t)lane->parameters[LIVE];
    size_t bytes = sizeof(struct large) + live * sizeof(struct content_block);
    struct large *large = lane->state = workload_map(lane, bytes);
    if (large == NULL)
        return WORKLOAD_FAILED;
    large->mapped_bytes = bytes;
    large->live = live;
    large->touched_percent = (uint32_t)lane->parameters[TOUCHED];
    large->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    for (uint32_t i = 0; i < live; i++)
        if (!allocate(lane, large, i, (uint32_t)(workload_random(lane) >> 32)))
            return WORKLOAD_FAILED;
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct large *large = lane->state;
    do {
        uint64_t bits = workload_random(lane);
        uint32_t index = workload_below((uint32_t)bits, large->live);
        if (!content_release(lane, &large->blocks[index], index) || !allocate(lane, large, index, (uint32_t)(bits >> 32)))
            return WORKLOAD_FAILED;
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct large *large = lane->state;
    content_release_all(large->blocks, large->live);
    workload_unmap(large, large->mapped_bytes);
}

const struct workload workload_large = {
    .name = "large",
    .help = "A few blocks of 64 KiB to 4 MiB, one replaced at random; ends or all pages are written.",
    .stresses = "Blocks of many pages: what is kept mapped, and what a page fault costs.",
    .operation = "one block replaced: a free and an allocation",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 16,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
