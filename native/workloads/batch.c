/* batch.c: allocates many small blocks, and then frees all in random order. Papers on allocators have many such
 * loops, e.g. threadtest of Berger, McKinley, Blumofe and Wilson, "Hoard: A Scalable
 * Memory Allocator for Multithreaded Applications", ASPLOS 2000. Here the sizes are mixed. */
#include "block_content.h"
#include "catalogue.h"

enum { BLOCKS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [BLOCKS] = {"blocks", "blocks", "Blocks of a batch.", 1, 1000000, 1000},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 256},
};

struct batch {
    struct content_sizes sizes;
    uint32_t block_count, live; /* blocks[0..live) are allocated */
    size_t mapped_bytes;
    void *blocks[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[BLOCKS];
    size_t bytes = sizeof(struct batch) + count * sizeof(void *);
    struct batch *batch = lane->state = workload_map(lane, bytes);
    if (batch == NULL)
        return WORKLOAD_FAILED;
    batch->mapped_bytes = bytes;
    batch->block_count = count;
    batch->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct batch *batch = lane->state;
    const struct content_sizes sizes = batch->sizes;
    uint64_t random = lane->random, checksum = lane->checksum;
    for (;;) {
        for (uint32_t i = 0; i < batch->block_count; i++) {
            uint32_t bytes = content_draw_size(&sizes, workload_draw(&random));
            void *block = WORKLOAD_MALLOC(bytes);
            if (block == NULL) {
                batch->live = i;
                return content_fail_memory(lane, bytes);
            }
            batch->blocks[i] = block;
            checksum = workload_add_request(checksum, bytes);
        }
        uint32_t live = batch->block_count;
        do {
            uint32_t chosen = workload_below(workload_draw(&random), live);
            WORKLOAD_FREE(batch->blocks[chosen]);
            batch->blocks[chosen] = batch->blocks[--live];
            checksum = workload_add_request(checksum, WORKLOAD_REQUEST_FREE | chosen);
            if (!workload_continue(lane)) {
                batch->live = live;
                lane->random = random;
                lane->checksum = checksum;
                return WORKLOAD_DONE;
            }
        } while (live != 0);
    }
}

static void finish(struct workload_lane *lane)
{
    struct batch *batch = lane->state;
    for (uint32_t i = 0; i < batch->live; i++)
        WORKLOAD_FREE(batch->blocks[i]);
    workload_unmap(batch, batch->mapped_bytes);
}

const struct workload workload_batch = {
    .name = "batch",
    .help = "A batch of small blocks is allocated, then all of it freed in random order.",
    .stresses = "Depth of the thread's caches: bursts of one kind of call, then of the other.",
    .operation = "one block allocated and freed",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 256,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
