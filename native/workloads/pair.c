/* pair.c: allocates one block and frees it at once, again and again: the least that an allocator can do. It is the
 * simplest of the loops in Lever and Boreham, "malloc() Performance in a Multithreaded Linux Environment",
 * USENIX Annual Technical Conference (FREENIX) 2000. */
#include "block_content.h"
#include "catalogue.h"

enum { SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SIZE] = {"size", "bytes", "Size of the block.", 1, 1073741824, 64},
};

/* The workload has no state. */
static enum workload_outcome prepare(struct workload_lane *lane)
{
    (void)lane;
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    const size_t bytes = (size_t)lane->parameters[SIZE];
    do {
        void *block = WORKLOAD_MALLOC(bytes);
        CONTENT_KEEP(block);
        if (block == NULL)
            return content_fail_memory(lane, bytes);
        WORKLOAD_FREE(block);
    } while (workload_continue(lane));
    /* All requests are the same, so the checksum only needs their number. */
    workload_note(lane, bytes);
    workload_note(lane, lane->operations);
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    (void)lane;
}

const struct workload workload_pair = {
    .name = "pair",
    .help = "One block allocated and freed at once, again and again.",
    .stresses = "The fast path alone: nothing but the thread's cache is reached.",
    .operation = "one block allocated and freed",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 256,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
