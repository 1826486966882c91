/* rptest.c: random sizes up to 16 KiB, small ones more often, and some blocks that another thread frees.
 * After rpmalloc-benchmark (Jansson, "Benchmarking memory allocators", 2017): threads replace blocks
 * of a table in loops, and after each loop pass some blocks on to another thread, which frees them.
 *
 * After loop n a thread puts batch n into its mailbox and frees its predecessor's batch n - 1. */
#include "block_content.h"
#include "catalogue.h"
#include "mailbox.h"

enum { BLOCKS, MIN_SIZE, MAX_SIZE, LOOP, PASSED, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [BLOCKS] = {"blocks", "blocks", "Blocks a thread keeps.", 1, 1000000, 5000},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; how often a size is falls linearly to it.", 1, 1048576, 16000},
    [LOOP] = {"loop", "operations", "Operations between two times blocks are passed on.", 1, 10000000, 5000},
    [PASSED] = {"passed", "blocks", "Blocks passed on to the next thread each time.", 1, 100000, 500},
};

struct rptest {
    struct mailboxes *all;
    struct mailbox *own;
    struct content_sizes sizes;
    uint32_t block_count, passed_from;
    uint64_t loops;
    size_t mapped_bytes;
    struct content_block blocks[];
};

static const char *check(const double *values)
{
    if (values[PASSED] > values[BLOCKS])
        return "passed must not be above blocks";
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[BLOCKS];
    size_t bytes = sizeof(struct rptest) + count * sizeof(struct content_block);
    struct rptest *test = lane->state = workload_map(lane, bytes);
    if (test == NULL)
        return WORKLOAD_FAILED;
    test->mapped_bytes = bytes;
    test->block_count = count;
    test->sizes = content_sizes_between(lane->parameters[MIN_SIZE], lane->parameters[MAX_SIZE]);
    test->all = workload_share(lane, sizeof *test->all);
    if (test->all == NULL)
        return WORKLOAD_FAILED;
    test->own = mailbox_create(lane, (uint32_t)lane->parameters[PASSED]);
    atomic_store_explicit(&test->all->of_lane[lane->index], test->own, memory_order_release);
    return test->own == NULL ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

/* The smaller of two uniform random numbers, whose density falls linearly. */
static uint32_t draw_bytes(const struct rptest *test, uint64_t bits)
{
    uint32_t one = (uint32_t)bits, other = (uint32_t)(bits >> 32);
    return content_draw_size(&test->sizes, one < other ? one : other);
}

/* As in the benchmark: small blocks ask in turns for no alignment, 8 and 16; what is aligned is written, and the rest comes
 * cleared, so that every page of every block is touched. */
static bool allocate(struct workload_lane *lane, struct content_block *block, uint32_t bytes)
{
    static const uint32_t alignments[] = {0, 8, 16};
    uint32_t alignment = bytes < CONTENT_PAGE_BYTES ? alignments[lane->random % 3] : 0;
    uint32_t multiple = (bytes + 15) / 16 * 16; /* C11 has aligned_alloc take multiples of the alignment alone */
    void *address = alignment ? WORKLOAD_ALIGNED(alignment, multiple) : WORKLOAD_CALLOC(1, bytes);
    if (address == NULL) {
        content_fail_memory(lane, bytes);
        return false;
    }
    if (alignment)
        memset(address, 0xcd, bytes);
    content_adopt(lane, block, address, bytes);
    content_touch_pages(block, 100);
    return true;
}

static bool replace(struct workload_lane *lane, struct rptest *test)
{
    uint32_t index = workload_below((uint32_t)(workload_random(lane) >> 32), test->block_count);
    struct content_block *block = &test->blocks[index];
    if (block->address != NULL && !content_release(lane, block, index))
        return false;
    return allocate(lane, block, draw_bytes(test, workload_random(lane)));
}

/* Takes blocks out of the table, from the place where it stopped the last time, and puts them into the mailbox. */
static bool pass_on(struct workload_lane *lane, struct rptest *test)
{
    if (!mailbox_await_room(lane, test->own, test->loops))
        return false;
    void **batch = mailbox_batch(test->own, test->loops);
    for (uint32_t i = 0; i < test->own->batch_blocks; i++) {
        batch[i] = test->blocks[test->passed_from].address;
        test->blocks[test->passed_from].address = NULL;
        test->passed_from = (test->passed_from + 1) % test->block_count;
    }
    mailbox_put(test->own, test->loops);
    return true;
}

/* Frees the blocks that the predecessor passed on after the loop before. */
static bool take_over(struct workload_lane *lane, struct rptest *test)
{
    if (test->loops == 0)
        return true;
    uint32_t predecessor = (lane->index + lane->lane_count - 1) % lane->lane_count;
    struct mailbox *mailbox = atomic_load_explicit(&test->all->of_lane[predecessor], memory_order_acquire);
    if (mailbox == NULL || !mailbox_await_batch(lane, mailbox, test->loops - 1))
        return false;
    void **batch = mailbox_batch(mailbox, test->loops - 1);
    for (uint32_t i = 0; i < mailbox->batch_blocks; i++) {
        WORKLOAD_FREE(batch[i]);
        batch[i] = NULL;
    }
    mailbox_took(mailbox, test->loops - 1);
    workload_note(lane, WORKLOAD_REQUEST_FREE | mailbox->batch_blocks);
    return true;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct rptest *test = lane->state;
    uint32_t loop = (uint32_t)lane->parameters[LOOP];
    for (uint32_t left = loop;;) {
        if (!replace(lane, test))
            return WORKLOAD_FAILED;
        if (!workload_continue(lane))
            return WORKLOAD_DONE;
        if (--left != 0)
            continue;
        left = loop;
        if (!pass_on(lane, test) || !take_over(lane, test))
            return WORKLOAD_DONE;
        test->loops++;
    }
}

static void finish(struct workload_lane *lane)
{
    struct rptest *test = lane->state;
    content_release_all(test->blocks, test->block_count);
    mailbox_destroy(test->own);
    workload_unmap(test, test->mapped_bytes);
}

const struct workload workload_rptest = {
    .name = "rptest",
    .help = "Random sizes to 16 KiB; after each loop blocks go to another thread (rpmalloc-benchmark, Jansson 2017).",
    .stresses = "Many size classes at a time, and frees by another thread in bursts.",
    .operation = "one block replaced: a free and an allocation",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 4,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
