/* larson.c: a server whose threads come and go while its data stays. After Larson and Krishnan,
 * "Memory Allocation for Long-Running Server Applications", ISMM 1998: each thread replaces blocks at
 * random in an array; after rounds * blocks replacements it ends, and its successor takes the array
 * over, so that most blocks are freed by another thread than allocated them. */
#include "block_content.h"
#include "catalogue.h"

enum { MIN_SIZE, MAX_SIZE, BLOCKS, ROUNDS, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 8},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1000},
    [BLOCKS] = {"blocks", "blocks", "Blocks a thread keeps.", 1, 1000000, 5000},
    [ROUNDS] = {"rounds", "rounds", "A thread ends after rounds * blocks replacements.", 1, 1000000, 100},
};

struct larson {
    uint64_t replacements_left; /* of the thread at work */
    uint32_t min_size, sizes, block_count;
    size_t mapped_bytes;
    struct content_block blocks[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static bool allocate(struct workload_lane *lane, struct content_block *block, uint32_t bits)
{
    const struct larson *larson = lane->state;
    return content_allocate(lane, block, larson->min_size + workload_below(bits, larson->sizes));
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[BLOCKS];
    size_t bytes = sizeof(struct larson) + count * sizeof(struct content_block);
    struct larson *larson = lane->state = workload_map(lane, bytes);
    if (larson == NULL)
        return WORKLOAD_FAILED;
    larson->mapped_bytes = bytes;
    larson->block_count = count;
    larson->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    larson->sizes = (uint32_t)lane->parameters[MAX_SIZE] - larson->min_size + 1;
    for (uint32_t i = 0; i < count; i++)
        if (!allocate(lane, &larson->blocks[i], (uint32_t)workload_random(lane)))
            return WORKLOAD_FAILED;
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct larson *larson = lane->state;
    larson->replacements_left = (uint64_t)lane->parameters[ROUNDS] * larson->block_count;
    do {
        uint64_t bits = workload_random(lane);
        uint32_t slot = workload_below((uint32_t)(bits >> 32), larson->block_count);
        if (!content_release(lane, &larson->blocks[slot], slot) ||
            !allocate(lane, &larson->blocks[slot], (uint32_t)bits))
            return WORKLOAD_FAILED;
        if (!workload_continue(lane))
            return WORKLOAD_DONE;
    } while (--larson->replacements_left != 0);
    return WORKLOAD_HAND_OVER;
}

static void finish(struct workload_lane *lane)
{
    struct larson *larson = lane->state;
    content_release_all(larson->blocks, larson->block_count);
    workload_unmap(larson, larson->mapped_bytes);
}

const struct workload workload_larson = {
    .name = "larson",
    .help = "A server whose threads come and go: each replaces blocks of an array at random and leaves the "
            "array to its successor (Larson and Krishnan 1998).",
    .stresses = "Small blocks, frees by another thread, start and end of threads.",
    .operation = "one block replaced: a free and an allocation",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 128,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
