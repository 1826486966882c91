/* thread_exit.c: threads end while their blocks live on. Each thread allocates its blocks, frees a share
 * of them, and ends. A later thread frees the blocks that it leaves, or the end of the run does. After "mleak" in
 * mimalloc-bench (Leijen, Zorn, de Moura: "Mimalloc: Free List Sharding in Action", APLAS 2019), whose threads
 * also end with blocks in use; but here their number is bounded.
 *
 *     thread     n           n + 1         n + 2 ...   n + generations
 *     leaves   row n % g                               frees what thread n left, fills the row anew */
#include "block_content.h"
#include "catalogue.h"

enum { BLOCKS, LEFT, GENERATIONS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [BLOCKS] = {"blocks", "blocks", "Blocks a thread allocates in its life.", 1, 1000000, 200},
    [LEFT] = {"left", "%", "Share of them that is alive when it ends.", 0, 100, 50},
    [GENERATIONS] = {"generations", "threads", "Threads that end before what one left is freed.", 1, 10000, 16},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1024},
};

struct thread_exit {
    struct content_sizes sizes;
    uint32_t block_count, left_percent, generations;
    uint32_t generation; /* row of the current thread */
    size_t mapped_bytes;
    struct content_block blocks[]; /* one row for each generation */
};

static const char *check(const double *values)
{
    if (values[BLOCKS] * values[GENERATIONS] > 1e8)
        return "blocks * generations must not be above 100000000";
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[BLOCKS], generations = (uint32_t)lane->parameters[GENERATIONS];
    size_t bytes = sizeof(struct thread_exit) + (size_t)count * generations * sizeof(struct content_block);
    struct thread_exit *state = lane->state = workload_map(lane, bytes);
    if (state == NULL)
        return WORKLOAD_FAILED;
    state->mapped_bytes = bytes;
    state->block_count = count;
    state->generations = generations;
    state->left_percent = (uint32_t)lane->parameters[LEFT];
    state->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    return WORKLOAD_DONE;
}

static bool release_row(struct workload_lane *lane, struct thread_exit *state, struct content_block *row)
{
    for (uint32_t i = 0; i < state->block_count; i++)
        if (row[i].address != NULL && !content_release(lane, &row[i], i))
            return false;
    return true;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct thread_exit *state = lane->state;
    struct content_block *row = &state->blocks[(size_t)state->generation * state->block_count];
    if (!release_row(lane, state, row))
        return WORKLOAD_FAILED;
    for (uint32_t i = 0; i < state->block_count; i++) {
        uint32_t bytes = content_draw_size(&state->sizes, (uint32_t)(workload_random(lane) >> 32));
        if (!content_allocate(lane, &row[i], bytes))
            return WORKLOAD_FAILED;
        if (!workload_continue(lane))
            return WORKLOAD_DONE;
    }
    for (uint32_t i = 0; i < state->block_count; i++)
        if (workload_below((uint32_t)workload_random(lane), 100) >= state->left_percent &&
            !content_release(lane, &row[i], i))
            return WORKLOAD_FAILED;
    state->generation = (state->generation + 1) % state->generations;
    return WORKLOAD_HAND_OVER;
}

static void finish(struct workload_lane *lane)
{
    struct thread_exit *state = lane->state;
    content_release_all(state->blocks, (size_t)state->block_count * state->generations);
    workload_unmap(state, state->mapped_bytes);
}

const struct workload workload_thread_exit = {
    .name = "thread_exit",
    .help = "Threads end while their blocks live on; later threads free them.",
    .stresses = "Start and end of threads, and adopting memory whose thread is gone.",
    .operation = "one block allocated, and freed sooner or later",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
