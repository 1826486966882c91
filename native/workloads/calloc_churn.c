/* calloc_churn.c: replaces small zeroed blocks at random. It distinguishes an allocator that knows which
 * of its memory is zero from one that always clears. The slots are those of Wolfram Gloger's
 * t-test1 (ptmalloc, 1996), which fills some of them by calloc; here all are.
 *
 * A block is checked to be zero at both ends and in the middle, and left dirty there. */
#include "block_content.h"
#include "catalogue.h"

enum { SLOTS, MIN_SIZE, MAX_SIZE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Blocks a thread keeps.", 1, 1000000, 256},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are uniform between the two.", 1, 1048576, 1024},
};

struct calloc_churn {
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
    size_t bytes = sizeof(struct calloc_churn) + count * sizeof(void *);
    struct calloc_churn *churn = lane->state = workload_map(lane, bytes);
    if (churn == NULL)
        return WORKLOAD_FAILED;
    churn->mapped_bytes = bytes;
    churn->slot_count = count;
    churn->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    return WORKLOAD_DONE;
}

/* Checks that three bytes of the block are zero, and writes to them. */
static bool use_zeros(void *address, uint32_t bytes, uint32_t owner)
{
    volatile unsigned char *block = address;
    unsigned char found = block[bytes / 2] | block[bytes - 1] | block[0];
    block[bytes / 2] = block[bytes - 1] = 0xff;
    content_mark(address, owner);
    return found == 0;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct calloc_churn *churn = lane->state;
    const struct content_sizes sizes = churn->sizes;
    uint64_t random = lane->random, checksum = lane->checksum;
    do {
        uint32_t index = workload_below(workload_draw(&random), churn->slot_count);
        uint32_t bytes = content_draw_size(&sizes, workload_draw(&random));
        void *replaced = churn->slots[index];
        if (replaced != NULL && !content_is_marked(replaced, index))
            return content_fail_mark(lane, replaced);
        WORKLOAD_FREE(replaced);
        churn->slots[index] = NULL;
        void *block = WORKLOAD_CALLOC(1, bytes);
        if (block == NULL) {
            workload_fail(lane, "out of memory: calloc(1, %u) returned NULL", bytes);
            return WORKLOAD_FAILED;
        }
        churn->slots[index] = block;
        if (!use_zeros(block, bytes, index)) {
            workload_fail(lane, "calloc(1, %u) at %p is not zero", bytes, block);
            return WORKLOAD_FAILED;
        }
        checksum = workload_add_request(checksum, (uint64_t)index << 32 | bytes);
    } while (workload_continue(lane));
    lane->random = random;
    lane->checksum = checksum;
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct calloc_churn *churn = lane->state;
    for (uint32_t i = 0; i < churn->slot_count; i++)
        WORKLOAD_FREE(churn->slots[i]);
    workload_unmap(churn, churn->mapped_bytes);
}

const struct workload workload_calloc_churn = {
    .name = "calloc_churn",
    .help = "Small zeroed blocks, one replaced at random.",
    .stresses = "calloc: clearing small blocks again, or knowing that they are clear.",
    .operation = "one block replaced: a free and a calloc",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 128,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
