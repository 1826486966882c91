/* phases.c: one size is hot, and another one in each phase. The hot size is allocated in bursts of several hundred
 * blocks that are then freed, so the fill of its cache swings by as many. The other sizes get a few blocks now and
 * then. Every phase_ms another size becomes hot: its cache should grow, and that of the last one shrink. */
#include "block_content.h"
#include "catalogue.h"

enum { PHASE_MS, BURST, COLD_INTERVAL, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [PHASE_MS] = {"phase_ms", "ms", "How long a size stays hot (by operations: 1000 of a thread are 1 ms).",
                  1, 600000, 3000},
    [BURST] = {"burst", "blocks", "Blocks of the hot size allocated before they are freed again.",
               1, 100000, 640},
    [COLD_INTERVAL] = {"cold_interval", "operations", "One block of a random size is replaced every so many.",
                       1, 1000000, 64},
};

/* One size for each group C0..C7, and the order in which they are hot: sizes that follow each other are far apart. */
static const uint32_t sizes[] = {8, 16, 32, 64, 128, 256, 512, 1024};
static const uint32_t hot_order[] = {4, 1, 6, 3, 0, 5, 2, 7};
#define SIZE_COUNT 8u
#define COLD_BLOCKS 4u /* so many blocks of each size are kept */

struct phases {
    uint32_t burst, depth, hot, until_cold, cold_interval;
    bool is_filling;
    size_t mapped_bytes;
    struct content_block cold[SIZE_COUNT * COLD_BLOCKS];
    struct content_block hot_blocks[];
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t burst = (uint32_t)lane->parameters[BURST];
    size_t bytes = sizeof(struct phases) + burst * sizeof(struct content_block);
    struct phases *phases = lane->state = workload_map(lane, bytes);
    if (phases == NULL)
        return WORKLOAD_FAILED;
    phases->mapped_bytes = bytes;
    phases->burst = burst;
    phases->is_filling = true;
    phases->hot = hot_order[0];
    phases->cold_interval = phases->until_cold = (uint32_t)lane->parameters[COLD_INTERVAL];
    for (uint32_t i = 0; i < SIZE_COUNT * COLD_BLOCKS; i++)
        if (!content_allocate(lane, &phases->cold[i], sizes[i / COLD_BLOCKS]))
            return WORKLOAD_FAILED;
    return WORKLOAD_DONE;
}

/* Allocates or frees one block of the burst. When all are freed, chooses the size that is hot now. */
static bool step_hot(struct workload_lane *lane, struct phases *phases)
{
    if (phases->is_filling) {
        if (!content_allocate(lane, &phases->hot_blocks[phases->depth], sizes[phases->hot]))
            return false;
        phases->is_filling = ++phases->depth < phases->burst;
        return true;
    }
    phases->depth--;
    if (!content_release(lane, &phases->hot_blocks[phases->depth], phases->depth))
        return false;
    if (phases->depth == 0) {
        phases->is_filling = true;
        phases->hot = hot_order[workload_period(lane, lane->parameters[PHASE_MS]) % SIZE_COUNT];
    }
    return true;
}

static bool replace_cold(struct workload_lane *lane, struct phases *phases)
{
    uint32_t i = workload_below((uint32_t)workload_random(lane), SIZE_COUNT * COLD_BLOCKS);
    return content_release(lane, &phases->cold[i], i) &&
           content_allocate(lane, &phases->cold[i], sizes[i / COLD_BLOCKS]);
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct phases *phases = lane->state;
    do {
        if (!step_hot(lane, phases))
            return WORKLOAD_FAILED;
        if (--phases->until_cold == 0) {
            phases->until_cold = phases->cold_interval;
            if (!replace_cold(lane, phases))
                return WORKLOAD_FAILED;
        }
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct phases *phases = lane->state;
    content_release_all(phases->cold, SIZE_COUNT * COLD_BLOCKS);
    content_release_all(phases->hot_blocks, phases->burst);
    workload_unmap(phases, phases->mapped_bytes);
}

const struct workload workload_phases = {
    .name = "phases",
    .help = "Bursts of one hot size and a trickle of seven others; every few seconds another size is hot.",
    .stresses = "Growth and shrinking of the thread caches.",
    .operation = "one allocation or one free of the hot size",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 256,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
