/* mid_churn.c: many threads free or fill random slots with blocks of 16 KiB to 1 MiB. Sizes
 * are log-uniform: each doubling between the bounds is as likely as any other. */
#include "block_content.h"
#include "catalogue.h"

enum { SLOTS, MIN_SIZE, MAX_SIZE, TOUCHED, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Slots a thread has; about half hold a block.", 1, 100000, 32},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1024, 16777216, 16384},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block.", 1024, 16777216, 1048576},
    [TOUCHED] = {"touched", "%", "Share of a block's pages that is written, besides its ends.", 0, 100, 0},
};

struct mid_churn {
    uint32_t min_size, max_size, doublings, slot_count, touched_percent;
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
    size_t bytes = sizeof(struct mid_churn) + count * sizeof(struct content_block);
    struct mid_churn *churn = lane->state = workload_map(lane, bytes);
    if (churn == NULL)
        return WORKLOAD_FAILED;
    churn->mapped_bytes = bytes;
    churn->slot_count = count;
    churn->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    churn->max_size = (uint32_t)lane->parameters[MAX_SIZE];
    churn->touched_percent = (uint32_t)lane->parameters[TOUCHED];
    churn->doublings = 1;
    while (churn->max_size >> churn->doublings > churn->min_size)
        churn->doublings++;
    return WORKLOAD_DONE;
}

static uint32_t draw_size(const struct mid_churn *churn, uint32_t bits)
{
    uint32_t upper = churn->max_size >> workload_below(bits << 16, churn->doublings);
    uint32_t bytes = upper - workload_below(bits & 0xffff0000u, upper / 2);
    return bytes < churn->min_size ? churn->min_size : bytes;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct mid_churn *churn = lane->state;
    do {
        uint64_t bits = workload_random(lane);
        uint32_t index = workload_below((uint32_t)(bits >> 32), churn->slot_count);
        struct content_block *slot = &churn->slots[index];
        if (slot->address != NULL) {
            if (!content_release(lane, slot, index))
                return WORKLOAD_FAILED;
        } else {
            if (!content_allocate(lane, slot, draw_size(churn, (uint32_t)bits)))
                return WORKLOAD_FAILED;
            content_touch_pages(slot, churn->touched_percent);
        }
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct mid_churn *churn = lane->state;
    content_release_all(churn->slots, churn->slot_count);
    workload_unmap(churn, churn->mapped_bytes);
}

const struct workload workload_mid_churn = {
    .name = "mid_churn",
    .help = "Blocks of 16 KiB to 1 MiB, allocated and freed at random by many threads.",
    .stresses = "The pool of mid-size blocks: its load a shard and its locks.",
    .operation = "one allocation or one free",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 8,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
