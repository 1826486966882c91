/* larson.c: a server whose threads come and go while its data stays. After Larson and Krishnan,
 * "Memory Allocation for Long-Running Server Applications", ISMM 1998: each thread replaces blocks at
 * random in an array; after rounds * blocks replacements it ends, and its successor takes the array
 * over, so that most blocks are freed by another thread than the one that allocated them.
 *
 * The words of the stock driver, seconds min_size max_size blocks rounds seed threads, are
 * --seconds, min_size, max_size, blocks, rounds, --seed and --threads. */
#include "block_content.h"
#include "catalogue.h"

enum { MIN_SIZE, MAX_SIZE, BLOCKS, ROUNDS, SIZED_FREE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 8},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1000},
    [BLOCKS] = {"blocks", "blocks", "Blocks a thread keeps.", 1, 1000000, 5000},
    [ROUNDS] = {"rounds", "rounds", "A thread ends after rounds * blocks replacements.", 1, 1000000, 100},
    [SIZED_FREE] = {"sized_free", "0 or 1", "1: frees by free_sized (C23) where the allocator has it.", 0, 1, 0},
};

struct larson_block {
    void *address;
    uint32_t bytes;
};

struct larson {
    struct content_sizes sizes;
    uint32_t block_count;
    size_t mapped_bytes;
    struct larson_block blocks[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static inline bool allocate(struct workload_lane *lane, struct larson_block *block, uint32_t slot, uint32_t bytes)
{
    block->address = WORKLOAD_MALLOC(bytes);
    if (block->address == NULL) {
        content_fail_memory(lane, bytes);
        return false;
    }
    block->bytes = bytes;
    content_mark(block->address, slot);
    return true;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[BLOCKS];
    size_t bytes = sizeof(struct larson) + count * sizeof(struct larson_block);
    struct larson *larson = lane->state = workload_map(lane, bytes);
    if (larson == NULL)
        return WORKLOAD_FAILED;
    larson->mapped_bytes = bytes;
    larson->block_count = count;
    larson->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = content_draw_size(&larson->sizes, workload_draw(&lane->random));
        if (!allocate(lane, &larson->blocks[i], i, size))
            return WORKLOAD_FAILED;
        workload_note(lane, size);
    }
    return WORKLOAD_DONE;
}

/* It is inlined once for each kind of free, so that the loop has no branch for it. */
static inline __attribute__((always_inline)) enum workload_outcome replace_blocks(struct workload_lane *lane,
                                                                                 bool has_sized_free)
{
    struct larson *larson = lane->state;
    const struct content_sizes sizes = larson->sizes;
    uint64_t random = lane->random, checksum = lane->checksum;
    uint64_t replacements_left = (uint64_t)lane->parameters[ROUNDS] * larson->block_count;
    enum workload_outcome outcome = WORKLOAD_HAND_OVER;
    do {
        uint32_t slot = workload_below(workload_draw(&random), larson->block_count);
        uint32_t bytes = content_draw_size(&sizes, workload_draw(&random));
        struct larson_block *block = &larson->blocks[slot];
        if (!content_is_marked(block->address, slot))
            return content_fail_mark(lane, block->address);
        if (has_sized_free)
            WORKLOAD_FREE_SIZED(block->address, block->bytes);
        else
            WORKLOAD_FREE(block->address);
        if (!allocate(lane, block, slot, bytes))
            return WORKLOAD_FAILED;
        checksum = workload_add_request(checksum, (uint64_t)slot << 32 | bytes);
        if (!workload_continue(lane))
            outcome = WORKLOAD_DONE;
    } while (--replacements_left != 0 && outcome == WORKLOAD_HAND_OVER);
    lane->random = random;
    lane->checksum = checksum;
    return outcome;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    return lane->parameters[SIZED_FREE] != 0 ? replace_blocks(lane, true) : replace_blocks(lane, false);
}

static void finish(struct workload_lane *lane)
{
    struct larson *larson = lane->state;
    for (uint32_t i = 0; i < larson->block_count; i++)
        WORKLOAD_FREE(larson->blocks[i].address);
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
