/* fragmentation.c: a steady state with one range of sizes, then with another, and so on. Blocks that survive a
 * change of the range keep memory from being used again. This fragmentation shows in the resident
 * memory, while the live bytes stay the same. Wilson, Johnstone, Neely and Boles, "Dynamic Storage Allocation: A Survey
 * and Critical Review", IWMM 1995, say that synthetic traces lack such changes between a program's phases.
 *
 * Live bytes stay just under a limit: before an allocation, blocks at random are freed until it fits. The
 * ranges rise by a factor from min_size; after the last the first comes again. */
#include "block_content.h"
#include "catalogue.h"

enum { LIVE, MIN_SIZE, FACTOR, RANGES, TURNOVER, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [LIVE] = {"live", "KiB", "Live bytes of a thread.", 64, 16777216, 32768},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block of the first range.", 8, 65536, 16},
    [FACTOR] = {"factor", "times", "A range is so wide, and the next begins where it ends.", 2, 64, 4},
    [RANGES] = {"ranges", "ranges", "How many ranges of sizes there are.", 1, 8, 5},
    [TURNOVER] = {"turnover", "%", "A range is left when so much of the live bytes was allocated in it.", 1, 10000, 300},
};

struct fragmentation {
    uint64_t live_bytes, limit_bytes, allocated_bytes; /* allocated_bytes counts since this range began */
    uint64_t turnover_bytes;
    uint32_t range, ranges, factor, min_size, block_count;
    size_t mapped_bytes;
    struct content_block blocks[]; /* the live blocks, in any order */
};

static uint64_t largest_size(const double *values)
{
    uint64_t bytes = (uint64_t)values[MIN_SIZE];
    for (uint32_t i = 0; i < (uint32_t)values[RANGES] && bytes < UINT64_C(1) << 32; i++)
        bytes *= (uint64_t)values[FACTOR];
    return bytes;
}

static const char *check(const double *values)
{
    return largest_size(values) > (uint64_t)values[LIVE] * 1024 / 4
               ? "min_size * factor ^ ranges must not be above a quarter of live"
               : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint64_t limit_bytes = (uint64_t)lane->parameters[LIVE] * 1024;
    uint64_t most_blocks = limit_bytes / (uint64_t)lane->parameters[MIN_SIZE] + 1;
    size_t bytes = sizeof(struct fragmentation) + most_blocks * sizeof(struct content_block);
    struct fragmentation *state = lane->state = workload_map(lane, bytes);
    if (state == NULL)
        return WORKLOAD_FAILED;
    state->mapped_bytes = bytes;
    state->limit_bytes = limit_bytes;
    state->turnover_bytes = limit_bytes / 100 * (uint64_t)lane->parameters[TURNOVER];
    state->ranges = (uint32_t)lane->parameters[RANGES];
    state->factor = (uint32_t)lane->parameters[FACTOR];
    state->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    return WORKLOAD_DONE;
}

static bool make_room(struct workload_lane *lane, struct fragmentation *state, uint32_t bytes)
{
    while (state->live_bytes + bytes > state->limit_bytes) {
        uint32_t chosen = workload_below((uint32_t)(workload_random(lane) >> 32), state->block_count);
        struct content_block *block = &state->blocks[chosen];
        state->live_bytes -= block->bytes;
        if (!content_release(lane, block, chosen))
            return false;
        *block = state->blocks[--state->block_count];
        state->blocks[state->block_count].address = NULL;
    }
    return true;
}

static uint32_t draw_bytes(struct workload_lane *lane, const struct fragmentation *state)
{
    uint32_t lowest = state->min_size;
    for (uint32_t i = 0; i < state->range; i++)
        lowest *= state->factor;
    return lowest + workload_below((uint32_t)(workload_random(lane) >> 32), lowest * (state->factor - 1));
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct fragmentation *state = lane->state;
    do {
        uint32_t bytes = draw_bytes(lane, state);
        if (!make_room(lane, state, bytes) || !content_allocate(lane, &state->blocks[state->block_count], bytes))
            return WORKLOAD_FAILED;
        state->block_count++;
        state->live_bytes += bytes;
        state->allocated_bytes += bytes;
        if (state->allocated_bytes >= state->turnover_bytes) {
            state->allocated_bytes = 0;
            state->range = (state->range + 1) % state->ranges;
        }
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct fragmentation *state = lane->state;
    content_release_all(state->blocks, state->block_count);
    workload_unmap(state, state->mapped_bytes);
}

const struct workload workload_fragmentation = {
    .name = "fragmentation",
    .help = "A steady state of live bytes whose sizes shift; blocks that survive a shift hold on to memory.",
    .stresses = "Use of memory that another size class has freed: resident against live bytes.",
    .operation = "one allocation, and the frees that make room for it",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
