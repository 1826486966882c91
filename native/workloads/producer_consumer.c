/* producer_consumer.c: half of the threads allocate, the other half free, in batches, and every producer
 * serves every consumer in turn. After xmalloc-test by Lever, Boreham and Eder (Lever and Boreham,
 * "malloc() Performance in a Multithreaded Linux Environment", USENIX Annual Technical Conference
 * (FREENIX) 2000): batches of 4096 blocks, sizes from 8 to 2048 bytes with two steps a doubling.
 *
 * With P producers, batch n of producer p goes to consumer (p + n) % P: consumer c takes as its n-th batch
 * the n-th of producer (c - n) % P. Producers are the first P threads, so that none has fewer operations
 * to do than a consumer. An odd last thread is its own consumer. */
#include "block_content.h"
#include "catalogue.h"
#include "mailbox.h"

enum { BATCH, MAX_SIZE, PARAMETER_COUNT };

#define MOST_WRITTEN_BYTES 128u /* of a block, as xmalloc-test writes */

static const struct workload_parameter parameters[] = {
    [BATCH] = {"batch", "blocks", "Blocks handed over at a time.", 2, 1000000, 4096},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; sizes are 8, 12, 16, 24 and so on.", 8, 2048, 2048},
};

static const uint16_t sizes[] = {8,   12,  16,  24,  32,  48,  64,   96,   128,
                                 192, 256, 384, 512, 768, 1024, 1536, 2048};

static const char *check(const double *values)
{
    return (uint32_t)values[BATCH] % 2 != 0 ? "batch must be even" : NULL;
}

enum role { PRODUCER, CONSUMER, BOTH };

struct producer_consumer {
    struct mailboxes *all;
    struct mailbox *own; /* only for a producer */
    enum role role;
    uint32_t producers, size_count;
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    struct producer_consumer *state = lane->state = workload_map(lane, sizeof *state);
    if (state == NULL || (state->all = workload_share(lane, sizeof *state->all)) == NULL)
        return WORKLOAD_FAILED;
    state->producers = lane->lane_count / 2;
    state->role = lane->index < state->producers ? PRODUCER : lane->index < 2 * state->producers ? CONSUMER : BOTH;
    while (state->size_count < sizeof sizes / sizeof sizes[0] &&
           sizes[state->size_count] <= (uint32_t)lane->parameters[MAX_SIZE])
        state->size_count++;
    if (state->role == CONSUMER)
        return WORKLOAD_DONE;
    state->own = mailbox_create(lane, (uint32_t)lane->parameters[BATCH]);
    atomic_store_explicit(&state->all->of_lane[lane->index], state->own, memory_order_release);
    return state->own == NULL ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

/* Puts a batch, which is shorter if the run ends meanwhile. Returns false in that case. */
static bool produce(struct workload_lane *lane, struct producer_consumer *state, uint64_t number,
                    enum workload_outcome *outcome)
{
    void **blocks = mailbox_batch(state->own, number);
    uint64_t random = lane->random, checksum = lane->checksum;
    bool goes_on = true;
    for (uint32_t i = 0; i < state->own->batch_blocks && goes_on; i++) {
        uint32_t bytes = sizes[workload_below(workload_draw(&random), state->size_count)];
        blocks[i] = WORKLOAD_MALLOC(bytes);
        if (blocks[i] == NULL) {
            *outcome = content_fail_memory(lane, bytes);
            return false;
        }
        memset(blocks[i], (unsigned char)i, bytes < MOST_WRITTEN_BYTES ? bytes : MOST_WRITTEN_BYTES);
        checksum = workload_add_request(checksum, bytes);
        if (i % 2 == 1)
            goes_on = workload_continue(lane);
    }
    lane->random = random;
    lane->checksum = checksum;
    mailbox_put(state->own, number);
    return goes_on;
}

/* Frees a batch. Returns false if the run ended meanwhile, or if the batch was its producer's last, which is shorter. */
static bool consume(struct workload_lane *lane, struct mailbox *mailbox, uint64_t number,
                    enum workload_outcome *outcome)
{
    void **blocks = mailbox_batch(mailbox, number);
    uint64_t checksum = lane->checksum;
    bool goes_on = true;
    for (uint32_t i = 0; i < mailbox->batch_blocks && goes_on; i++) {
        if (blocks[i] == NULL || !content_is_marked(blocks[i], i)) {
            if (blocks[i] != NULL)
                *outcome = content_fail_mark(lane, blocks[i]);
            return false;
        }
        WORKLOAD_FREE(blocks[i]);
        blocks[i] = NULL;
        checksum = workload_add_request(checksum, WORKLOAD_REQUEST_FREE);
        if (i % 2 == 1)
            goes_on = workload_continue(lane);
    }
    lane->checksum = checksum;
    mailbox_took(mailbox, number);
    return goes_on;
}

static bool consume_next(struct workload_lane *lane, struct producer_consumer *state, uint64_t number,
                         enum workload_outcome *outcome)
{
    uint32_t own_index = lane->index - state->producers;
    uint32_t producer = (own_index + state->producers - (uint32_t)(number % state->producers)) % state->producers;
    struct mailbox *mailbox = atomic_load_explicit(&state->all->of_lane[producer], memory_order_acquire);
    if (mailbox == NULL || !mailbox_await_batch(lane, mailbox, number))
        return false; /* its producer failed to prepare, or the run is over */
    return consume(lane, mailbox, number, outcome);
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct producer_consumer *state = lane->state;
    enum workload_outcome outcome = WORKLOAD_DONE;
    bool goes_on = true;
    for (uint64_t number = 0; goes_on; number++) {
        if (state->role == CONSUMER)
            goes_on = consume_next(lane, state, number, &outcome);
        else
            goes_on = mailbox_await_room(lane, state->own, number) && produce(lane, state, number, &outcome);
        if (goes_on && state->role == BOTH)
            goes_on = consume(lane, state->own, number, &outcome);
    }
    return outcome;
}

static void finish(struct workload_lane *lane)
{
    struct producer_consumer *state = lane->state;
    mailbox_destroy(state->own);
    workload_unmap(state, sizeof *state);
}

const struct workload workload_producer_consumer = {
    .name = "producer_consumer",
    .help = "Half of the threads allocate, the others free, in batches; an odd last thread does both "
            "(xmalloc-test, Lever and Boreham 2000).",
    .stresses = "Frees by other threads only, of mixed sizes, many at a time.",
    .operation = "one block handed over (two allocations of one thread, or two frees of another)",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 4,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
