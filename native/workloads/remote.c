/* remote.c: one thread allocates and another frees, so that every block is freed by another thread, and no thread
 * frees blocks that it could reuse. Berger, McKinley, Blumofe and Wilson call this pattern producer-consumer in
 * "Hoard: A Scalable Memory Allocator for Multithreaded Applications", ASPLOS 2000; here it is one to one.
 *
 * Threads 0 and 1 are a pair, 2 and 3, and so on; the even one allocates. Blocks lie in a ring. The
 * numbers of blocks put and taken are published once in a batch.
 *
 *      taken          put                 a pair's ring of RING_BATCHES * batch places
 *        v             v
 *     ...[b][b][b][b][b][ ][ ][ ]...
 *
 * A thread without a partner allocates a batch and frees it itself. */
#include "block_content.h"
#include "catalogue.h"
#include <stdatomic.h>

enum { SIZE, BATCH, PARAMETER_COUNT };

#define RING_BATCHES 4u

static const struct workload_parameter parameters[] = {
    [SIZE] = {"size", "bytes", "Size of the blocks.", 1, 1048576, 64},
    [BATCH] = {"batch", "blocks", "Blocks handed over at a time; four batches may be on their way.", 2, 65536, 256},
};

struct ring {
    _Alignas(128) _Atomic uint64_t put; /* written by the thread that allocates */
    _Alignas(128) _Atomic uint64_t taken; /* written by the thread that frees */
    _Alignas(128) size_t mapped_bytes;
    uint32_t place_count;
    void *places[];
};

/* The ring of each pair, shared by all threads. */
struct meeting {
    _Atomic(struct ring *) rings[WORKLOAD_MAX_THREADS / 2 + 1];
};

struct remote {
    struct meeting *meeting;
    struct ring *ring; /* set once the partner has made it */
    uint64_t position; /* number of blocks that this lane has put, or taken */
};

static bool has_partner(const struct workload_lane *lane)
{
    return (lane->index ^ 1) < lane->lane_count;
}

static bool allocates(const struct workload_lane *lane)
{
    return lane->index % 2 == 0;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    struct remote *remote = workload_map(lane, sizeof *remote);
    if (remote == NULL)
        return WORKLOAD_FAILED;
    lane->state = remote;
    remote->meeting = workload_share(lane, sizeof *remote->meeting);
    if (remote->meeting == NULL)
        return WORKLOAD_FAILED;
    if (!allocates(lane))
        return WORKLOAD_DONE;
    uint32_t place_count = RING_BATCHES * (uint32_t)lane->parameters[BATCH];
    size_t bytes = sizeof(struct ring) + place_count * sizeof(void *);
    struct ring *ring = workload_map(lane, bytes);
    if (ring == NULL)
        return WORKLOAD_FAILED;
    ring->mapped_bytes = bytes;
    ring->place_count = place_count;
    remote->ring = ring;
    atomic_store_explicit(&remote->meeting->rings[lane->index / 2], ring, memory_order_release);
    return WORKLOAD_DONE;
}

/* Puts up to a batch from `position` on, and publishes it. Returns false if the run is over. */
static bool put_batch(struct workload_lane *lane, struct remote *remote, enum workload_outcome *outcome)
{
    const size_t bytes = (size_t)lane->parameters[SIZE];
    struct ring *ring = remote->ring;
    uint32_t batch = ring->place_count / RING_BATCHES;
    uint64_t checksum = lane->checksum, position = remote->position;
    void **place = &ring->places[position % ring->place_count];
    bool goes_on = true;
    for (uint32_t i = 0; i < batch && goes_on; i++) {
        void *block = WORKLOAD_MALLOC(bytes);
        if (block == NULL) {
            *outcome = content_fail_memory(lane, bytes);
            goes_on = false;
            break;
        }
        content_mark(block, lane->index);
        *place++ = block;
        checksum = workload_add_request(checksum, bytes);
        if ((++position & 1) == 0)
            goes_on = workload_continue(lane);
    }
    lane->checksum = checksum;
    remote->position = position;
    atomic_store_explicit(&ring->put, position, memory_order_release);
    return goes_on;
}

/* Frees the blocks up to `end`, which is in the same batch. Returns false if the run is over. */
static bool take_batch(struct workload_lane *lane, struct remote *remote, uint64_t end,
                       enum workload_outcome *outcome)
{
    struct ring *ring = remote->ring;
    uint32_t owner = lane->index & ~1u;
    uint64_t checksum = lane->checksum, position = remote->position;
    void **place = &ring->places[position % ring->place_count];
    bool goes_on = true;
    while (position < end && goes_on) {
        void *block = *place++;
        if (!content_is_marked(block, owner)) {
            *outcome = content_fail_mark(lane, block);
            goes_on = false;
            break;
        }
        WORKLOAD_FREE(block);
        checksum = workload_add_request(checksum, WORKLOAD_REQUEST_FREE);
        if ((++position & 1) == 0)
            goes_on = workload_continue(lane);
    }
    lane->checksum = checksum;
    remote->position = position;
    atomic_store_explicit(&ring->taken, position, memory_order_release);
    return goes_on;
}

static enum workload_outcome run_allocating(struct workload_lane *lane, struct remote *remote)
{
    struct ring *ring = remote->ring;
    uint32_t batch = ring->place_count / RING_BATCHES;
    enum workload_outcome outcome = WORKLOAD_DONE;
    do {
        while (remote->position + batch > atomic_load_explicit(&ring->taken, memory_order_acquire) + ring->place_count)
            if (!workload_wait(lane))
                return WORKLOAD_DONE;
    } while (put_batch(lane, remote, &outcome));
    return outcome;
}

static enum workload_outcome run_freeing(struct workload_lane *lane, struct remote *remote)
{
    struct ring *ring = remote->ring;
    uint32_t batch = ring->place_count / RING_BATCHES;
    enum workload_outcome outcome = WORKLOAD_DONE;
    for (;;) {
        uint64_t put, batch_end = (remote->position / batch + 1) * batch;
        while ((put = atomic_load_explicit(&ring->put, memory_order_acquire)) == remote->position)
            if (!workload_wait(lane))
                return WORKLOAD_DONE;
        if (!take_batch(lane, remote, put < batch_end ? put : batch_end, &outcome))
            return outcome;
    }
}

/* One thread does both parts; the position is set back for the second. */
static enum workload_outcome run_alone(struct workload_lane *lane, struct remote *remote)
{
    enum workload_outcome outcome = WORKLOAD_DONE;
    for (;;) {
        uint64_t start = remote->position;
        if (!put_batch(lane, remote, &outcome))
            return outcome;
        uint64_t end = remote->position;
        remote->position = start;
        if (!take_batch(lane, remote, end, &outcome))
            return outcome;
    }
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct remote *remote = lane->state;
    if (!has_partner(lane))
        return run_alone(lane, remote);
    if (allocates(lane))
        return run_allocating(lane, remote);
    remote->ring = atomic_load_explicit(&remote->meeting->rings[lane->index / 2], memory_order_acquire);
    return remote->ring == NULL ? WORKLOAD_DONE /* the partner failed to prepare */ : run_freeing(lane, remote);
}

/* The thread that allocates made the ring; it frees the ring and the blocks in it. */
static void finish(struct workload_lane *lane)
{
    struct remote *remote = lane->state;
    struct ring *ring = remote->ring;
    if (ring != NULL && allocates(lane)) {
        uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
        for (uint64_t i = atomic_load_explicit(&ring->taken, memory_order_relaxed); i < put; i++)
            WORKLOAD_FREE(ring->places[i % ring->place_count]);
        workload_unmap(ring, ring->mapped_bytes);
    }
    workload_unmap(remote, sizeof *remote);
}

const struct workload workload_remote = {
    .name = "remote",
    .help = "Pairs of threads: one allocates, the other frees; an odd last thread does both.",
    .stresses = "Frees by another thread: how blocks find their way back.",
    .operation = "one block handed over (two allocations of one thread, or two frees of the other)",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 64,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
