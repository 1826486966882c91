/* pareto.c: sizes and lifetimes with heavy tails. After alloc-test (Ignatchenko, "Testing Memory Allocators:
 * ptmalloc2 vs tcmalloc vs hoard vs jemalloc While Trying to Simulate Real-World Loads", Overload 2018):
 * a few slots of a table are used most of the time. 80 % of the accesses go to 20 % of the slots, and the same holds
 * within these, so that most blocks live briefly and some for long. Sizes follow a Pareto law, too: a
 * block is at least k times the smallest with probability 1/k.
 *
 * Both laws are tables made of whole numbers, the same on every machine. */
#include "block_content.h"
#include "catalogue.h"

enum { SLOTS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Slots a thread has; about half hold a block.", 16, 1000000, 20000},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block, and the most frequent.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; larger ones of the law are as large.", 1, 16777216, 65536},
};

#define STEP_BITS 12u
#define STEPS (1u << STEP_BITS)
#define NESTINGS 4u /* how often the rule is applied within the 20 % */

/* A part of the slots. */
struct span {
    uint32_t start, count;
};

struct pareto {
    uint32_t slot_count;
    size_t mapped_bytes;
    uint32_t bytes_of_step[STEPS];
    struct span span_of_step[STEPS];
    void *slots[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

/* Distributes the steps [first, last) over the span: four fifths of them go to its first fifth. */
static void share_out(struct pareto *pareto, uint32_t first, uint32_t last, struct span span, uint32_t nestings)
{
    uint32_t favourite_steps = (last - first) * 4 / 5, favourite_count = (span.count + 4) / 5;
    if (nestings == 0 || favourite_count == span.count) {
        for (uint32_t step = first; step < last; step++)
            pareto->span_of_step[step] = span;
        return;
    }
    struct span favourites = {span.start, favourite_count};
    struct span others = {span.start + favourite_count, span.count - favourite_count};
    share_out(pareto, first, first + favourite_steps, favourites, nestings - 1);
    share_out(pareto, first + favourite_steps, last, others, 0);
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[SLOTS];
    size_t bytes = sizeof(struct pareto) + count * sizeof(void *);
    struct pareto *pareto = lane->state = workload_map(lane, bytes);
    if (pareto == NULL)
        return WORKLOAD_FAILED;
    pareto->mapped_bytes = bytes;
    pareto->slot_count = count;
    uint64_t min_size = (uint64_t)lane->parameters[MIN_SIZE], max_size = (uint64_t)lane->parameters[MAX_SIZE];
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t size = min_size * STEPS / (step + 1);
        pareto->bytes_of_step[step] = (uint32_t)(size < max_size ? size : max_size);
    }
    share_out(pareto, 0, STEPS, (struct span){0, count}, NESTINGS);
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct pareto *pareto = lane->state;
    uint64_t random = lane->random, checksum = lane->checksum;
    do {
        const struct span *span = &pareto->span_of_step[workload_draw(&random) >> (32 - STEP_BITS)];
        uint32_t index = span->start + workload_below(workload_draw(&random), span->count);
        void *block = pareto->slots[index];
        if (block != NULL) {
            if (!content_is_marked(block, index))
                return content_fail_mark(lane, block);
            WORKLOAD_FREE(block);
            pareto->slots[index] = NULL;
            checksum = workload_add_request(checksum, WORKLOAD_REQUEST_FREE | index);
        } else {
            uint32_t bytes = pareto->bytes_of_step[workload_draw(&random) >> (32 - STEP_BITS)];
            block = WORKLOAD_MALLOC(bytes);
            if (block == NULL)
                return content_fail_memory(lane, bytes);
            content_mark(block, index);
            pareto->slots[index] = block;
            checksum = workload_add_request(checksum, bytes);
        }
    } while (workload_continue(lane));
    lane->random = random;
    lane->checksum = checksum;
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct pareto *pareto = lane->state;
    for (uint32_t i = 0; i < pareto->slot_count; i++)
        WORKLOAD_FREE(pareto->slots[i]);
    workload_unmap(pareto, pareto->mapped_bytes);
}

const struct workload workload_pareto = {
    .name = "pareto",
    .help = "Sizes and lifetimes with heavy tails: most blocks are small and short-lived (alloc-test, "
            "Ignatchenko 2018).",
    .stresses = "The fast path with realistic locality, and what few long-lived blocks hold on to.",
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
