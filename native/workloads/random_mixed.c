/* random_mixed.c: chooses a slot at random, and frees its block if it has one, or else allocates one of random size. With
 * few slots everything is served from the thread's caches; with many, little is. After
 * Wolfram Gloger's t-test1, "a multi-thread test for malloc performance" that comes with ptmalloc (1996),
 * which keeps pools of slots, each empty or with a block of random size. */
#include "block_content.h"
#include "catalogue.h"

enum { SLOTS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Slots a thread has; about half hold a block.", 1, 1000000, 256},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1024},
};

struct random_mixed {
    struct content_sizes sizes;
    uint32_t slot_count;
    size_t mapped_bytes;
    void *slots[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[SLOTS];
    size_t bytes = sizeof(struct random_mixed) + count * sizeof(void *);
    struct random_mixed *mixed = lane->state = workload_map(lane, bytes);
    if (mixed == NULL)
        return WORKLOAD_FAILED;
    mixed->mapped_bytes = bytes;
    mixed->slot_count = count;
    mixed->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct random_mixed *mixed = lane->state;
    const struct content_sizes sizes = mixed->sizes;
    const uint32_t slot_count = mixed->slot_count;
    uint64_t random = lane->random, checksum = lane->checksum;
    do {
        uint32_t index = workload_below(workload_draw(&random), slot_count);
        void *block = mixed->slots[index];
        if (block != NULL) {
            if (!content_is_marked(block, index))
                return content_fail_mark(lane, block);
            WORKLOAD_FREE(block);
            mixed->slots[index] = NULL;
            checksum = workload_add_request(checksum, WORKLOAD_REQUEST_FREE | index);
        } else {
            uint32_t bytes = content_draw_size(&sizes, workload_draw(&random));
            block = WORKLOAD_MALLOC(bytes);
            if (block == NULL)
                return content_fail_memory(lane, bytes);
            content_mark(block, index);
            mixed->slots[index] = block;
            checksum = workload_add_request(checksum, bytes);
        }
    } while (workload_continue(lane));
    lane->random = random;
    lane->checksum = checksum;
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct random_mixed *mixed = lane->state;
    for (uint32_t i = 0; i < mixed->slot_count; i++)
        WORKLOAD_FREE(mixed->slots[i]);
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
