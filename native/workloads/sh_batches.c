/* sh_batches.c: sh6 and sh8, batches of blocks that are freed in mixed order. After descriptions of the benchmarks sh6bench
 * and sh8bench of MicroQuill (SmartHeap, 1998 and 2003): sizes up to 1000 bytes, small ones more often, are
 * allocated in batches. Some blocks are freed in the order of their allocation, some
 * in reverse order, some in neither, and a part of each batch outlives the next batches.
 *
 * sh6: the sizes of a batch are equal. They rise by half from 1 to max_size, each followed by its half,
 * quarter and so on, so that small ones are more frequent.
 * sh8: the sizes of a batch are random in one of three ranges; its survivors are freed
 * by another thread: each thread passes them on to the next. */
#include "block_content.h"
#include "catalogue.h"
#include "mailbox.h"

enum { BATCH, MAX_SIZE, SURVIVORS, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [BATCH] = {"batch", "blocks", "Blocks of a batch.", 4, 1000000, 1000},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; small ones are more frequent.", 1, 1048576, 1000},
    [SURVIVORS] = {"survivors", "%", "Share of a batch that outlives it.", 0, 100, 25},
};

#define KEPT_BATCHES 8u /* in sh6, the survivors of so many batches are live */

enum free_order { FORWARDS, BACKWARDS, EVERY_SECOND, FREE_ORDERS };

struct sh_batches {
    struct mailboxes *all; /* only for sh8, like the next members up to the sizes */
    struct mailbox *own;
    uint32_t batch, max_size, survivors;
    uint32_t base_size, size; /* for sh6: the current size is base_size, or a half of it, and so on */
    uint64_t batches;
    size_t mapped_bytes;
    void **kept;    /* the survivors of KEPT_BATCHES batches */
    void *blocks[]; /* the current batch */
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t batch = (uint32_t)lane->parameters[BATCH];
    uint32_t survivors = (uint32_t)((uint64_t)batch * (uint64_t)lane->parameters[SURVIVORS] / 100);
    size_t bytes = sizeof(struct sh_batches) + (batch + (size_t)KEPT_BATCHES * survivors) * sizeof(void *);
    struct sh_batches *state = lane->state = workload_map(lane, bytes);
    if (state == NULL)
        return WORKLOAD_FAILED;
    state->mapped_bytes = bytes;
    state->batch = batch;
    state->survivors = survivors;
    state->max_size = (uint32_t)lane->parameters[MAX_SIZE];
    state->kept = state->blocks + batch;
    state->base_size = state->size = 1;
    return WORKLOAD_DONE;
}

static enum workload_outcome prepare_sh8(struct workload_lane *lane)
{
    if (prepare(lane) != WORKLOAD_DONE)
        return WORKLOAD_FAILED;
    struct sh_batches *state = lane->state;
    state->all = workload_share(lane, sizeof *state->all);
    if (state->all == NULL)
        return WORKLOAD_FAILED;
    state->own = mailbox_create(lane, state->survivors);
    atomic_store_explicit(&state->all->of_lane[lane->index], state->own, memory_order_release);
    return state->own == NULL ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

static void next_size(struct sh_batches *state)
{
    state->size /= 2;
    if (state->size != 0)
        return;
    state->base_size += state->base_size / 2 + 1;
    if (state->base_size > state->max_size)
        state->base_size = 1;
    state->size = state->base_size;
}

/* Allocates a block of the current batch. If it fails, it reports that and returns NULL. */
static void *allocate(struct workload_lane *lane, uint32_t index, uint32_t bytes)
{
    void *block = WORKLOAD_MALLOC(bytes);
    if (block == NULL) {
        content_fail_memory(lane, bytes);
        return NULL;
    }
    content_mark(block, index);
    workload_note(lane, bytes);
    return block;
}

/* Allocates the batch, and counts every block as an operation. */
static enum workload_outcome fill(struct workload_lane *lane, struct sh_batches *state, bool has_random_sizes,
                                  bool *is_over)
{
    static const uint32_t range_shifts[] = {3, 1, 0}; /* sizes up to an eighth, a half, or all of the largest */
    uint32_t range = state->max_size >> range_shifts[state->batches % 3];
    for (uint32_t i = 0; i < state->batch; i++) {
        uint32_t bytes = state->size;
        if (has_random_sizes)
            bytes = 1 + workload_below((uint32_t)(workload_random(lane) >> 32), range == 0 ? 1 : range);
        state->blocks[i] = allocate(lane, i, bytes);
        if (state->blocks[i] == NULL)
            return WORKLOAD_FAILED;
        if (!workload_continue(lane)) {
            *is_over = true;
            return WORKLOAD_DONE;
        }
    }
    return WORKLOAD_DONE;
}

static bool release(struct workload_lane *lane, struct sh_batches *state, uint32_t index)
{
    void *block = state->blocks[index];
    if (!content_is_marked(block, index)) {
        content_fail_mark(lane, block);
        return false;
    }
    WORKLOAD_FREE(block);
    state->blocks[index] = NULL;
    workload_note(lane, WORKLOAD_REQUEST_FREE | index);
    return true;
}

/* Frees all but the survivors, which lie in the middle of the batch. */
static bool empty(struct workload_lane *lane, struct sh_batches *state, enum free_order order)
{
    uint32_t freed = state->batch - state->survivors, before = freed / 2;
    for (uint32_t i = 0; i < freed; i++) {
        uint32_t place = i; /* index among the blocks to free */
        if (order == BACKWARDS)
            place = freed - 1 - i;
        else if (order == EVERY_SECOND)
            place = i < (freed + 1) / 2 ? 2 * i : 2 * (i - (freed + 1) / 2) + 1;
        if (!release(lane, state, place < before ? place : place + state->survivors))
            return false;
    }
    return true;
}

static void exchange_kept(struct sh_batches *state)
{
    void **row = state->kept + state->batches % KEPT_BATCHES * state->survivors;
    void **survivors = state->blocks + (state->batch - state->survivors) / 2;
    for (uint32_t i = 0; i < state->survivors; i++) {
        WORKLOAD_FREE(row[i]);
        row[i] = survivors[i];
        survivors[i] = NULL;
    }
}

/* Puts the survivors into the mailbox, and frees those that the predecessor put one batch before. Returns false if
 * the run is over. */
static bool pass_on(struct workload_lane *lane, struct sh_batches *state)
{
    void **survivors = state->blocks + (state->batch - state->survivors) / 2;
    uint32_t predecessor = (lane->index + lane->lane_count - 1) % lane->lane_count;
    struct mailbox *from = atomic_load_explicit(&state->all->of_lane[predecessor], memory_order_acquire);
    if (from == NULL || !mailbox_await_room(lane, state->own, state->batches))
        return false;
    void **put = mailbox_batch(state->own, state->batches);
    for (uint32_t i = 0; i < state->survivors; i++) {
        put[i] = survivors[i];
        survivors[i] = NULL;
    }
    mailbox_put(state->own, state->batches);
    if (state->batches == 0)
        return true;
    if (!mailbox_await_batch(lane, from, state->batches - 1))
        return false;
    void **taken = mailbox_batch(from, state->batches - 1);
    for (uint32_t i = 0; i < state->survivors; i++) {
        WORKLOAD_FREE(taken[i]);
        taken[i] = NULL;
    }
    mailbox_took(from, state->batches - 1);
    return true;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct sh_batches *state = lane->state;
    for (bool is_over = false;;) {
        enum workload_outcome outcome = fill(lane, state, state->all != NULL, &is_over);
        if (outcome != WORKLOAD_DONE || is_over)
            return outcome;
        if (!empty(lane, state, (enum free_order)(state->batches % FREE_ORDERS)))
            return WORKLOAD_FAILED;
        if (state->all == NULL)
            exchange_kept(state);
        else if (!pass_on(lane, state))
            return WORKLOAD_DONE;
        next_size(state);
        state->batches++;
    }
}

static void finish(struct workload_lane *lane)
{
    struct sh_batches *state = lane->state;
    for (size_t i = 0; i < state->batch + (size_t)KEPT_BATCHES * state->survivors; i++)
        WORKLOAD_FREE(state->blocks[i]); /* `kept` lies behind the batch */
    mailbox_destroy(state->own);
    workload_unmap(state, state->mapped_bytes);
}

const struct workload workload_sh6 = {
    .name = "sh6",
    .help = "Batches of equal blocks up to 1000 bytes, freed in mixed order (sh6bench, MicroQuill).",
    .stresses = "Refills and flushes of one size class after another, and order of frees.",
    .operation = "one block allocated, and freed sooner or later",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 128,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};

const struct workload workload_sh8 = {
    .name = "sh8",
    .help = "Batches of random sizes up to 1000 bytes, freed in mixed order, partly by another thread "
            "(sh8bench, MicroQuill).",
    .stresses = "Refills and flushes of many size classes at a time, and frees by another thread.",
    .operation = "one block allocated, and freed sooner or later",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 128,
    .prepare = prepare_sh8,
    .run = run,
    .finish = finish,
};
