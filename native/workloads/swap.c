/* swap.c: all threads replace blocks of one table, so that a block is mostly freed by another thread
 * than the one that allocated it, and the thread is not known in advance. This is only the table of transfers of the
 * stress test of mimalloc (Leijen, Zorn, de Moura: "Mimalloc: Free List Sharding in Action", APLAS 2019):
 * threads stay, and blocks wander.
 *
 * The block that a thread finds in a slot depends on the timing of other threads. The slot that it chooses and the size
 * that it puts there do not, and only they enter the checksum. */
#include "block_content.h"
#include "catalogue.h"
#include <stdatomic.h>

enum { SLOTS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Slots of the table, of all threads together.", 1, 1000000, 4096},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 256},
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

/* The shared table is the state; each lane frees the blocks in its share of the slots. */
static enum workload_outcome prepare(struct workload_lane *lane)
{
    lane->state = workload_share(lane, (size_t)lane->parameters[SLOTS] * sizeof(_Atomic(void *)));
    return lane->state == NULL ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    _Atomic(void *) *slots = lane->state;
    const struct content_sizes sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    const uint32_t slot_count = (uint32_t)lane->parameters[SLOTS];
    uint64_t random = lane->random, checksum = lane->checksum;
    do {
        uint32_t index = workload_below(workload_draw(&random), slot_count);
        uint32_t bytes = content_draw_size(&sizes, workload_draw(&random));
        void *block = WORKLOAD_MALLOC(bytes);
        if (block == NULL)
            return content_fail_memory(lane, bytes);
        content_mark(block, index);
        void *replaced = atomic_exchange_explicit(&slots[index], block, memory_order_acq_rel);
        if (replaced != NULL) {
            if (!content_is_marked(replaced, index))
                return content_fail_mark(lane, replaced);
            WORKLOAD_FREE(replaced);
        }
        checksum = workload_add_request(checksum, (uint64_t)index << 32 | bytes);
    } while (workload_continue(lane));
    lane->random = random;
    lane->checksum = checksum;
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    _Atomic(void *) *slots = lane->state;
    uint32_t slot_count = (uint32_t)lane->parameters[SLOTS];
    for (uint32_t i = lane->index; i < slot_count; i += lane->lane_count)
        WORKLOAD_FREE(atomic_load_explicit(&slots[i], memory_order_relaxed));
}

const struct workload workload_swap = {
    .name = "swap",
    .help = "Threads replace blocks of one shared table at random.",
    .stresses = "Frees by another thread, mixed with own ones, of mixed sizes.",
    .operation = "one block replaced: an allocation and a free",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 128,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
