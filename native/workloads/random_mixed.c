/* random_mixed.c: a slot at random; free its block if it has one, else allocate one of random size.
 * With few slots everything is served from the thread's caches; with many, little is. */
#include "block_content.h"
#include "catalogue.h"

enum { SLOTS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Slots a thread has; about half hold a block.", 1, 1000000, 256},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1024},
};

struct random_mixed {
    uint32_t min_size, sizes, slot_count;
    size_t mapped_bytes;
    struct content_block slots[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[SLOTS];
    size_t bytes = sizeof(struct random_mixed) + count * sizeof(struct content_block);
    struct random_mixed *mixed = lane->state = workload_map(lane, bytes);
    if (mixed == NULL)
        return WORKLOAD_FAILED;
    mixed->mapped_bytes = bytes;
    mixed->slot_count = count;
    mixed->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    mixed->sizes = (uint32_t)lane->parameters[MAX_SIZE] - mixed->min_size + 1;
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct random_mixed *mixed = lane->state;
    do {
        uint64_t bits = workload_random(lane);
        uint32_t index = workload_below((uint32_t)(bits >> 32), mixed->slot_count);
        struct content_block *slot = &mixed->slots[index];
        bool is_done;
        if (slot->address != NULL)
            is_done = content_release(lane, slot, index);
        else
            is_done = content_allocate(lane, slot, mixed->min_size + workload_below((uint32_t)bits, mixed->sizes));
        if (!is_done)
            return WORKLOAD_FAILED;
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct random_mixed *mixed = lane->state;
    content_release_all(mixed->slots, mixed->slot_count);
    workload_unmap(mixed, mixed->mapped_bytes);
}

const struct workload workload_random_mixed = {
    .name = "random_mixed",
    .help = "A slot at random: free its block if it has one, else allocate one of random size.",
    .stresses = "The fast path; with many slots, the caches' refills and flushes.",
    .operation = "one allocation or one free",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 256,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
