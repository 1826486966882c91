/* mailbox.h: passes batches of blocks from one lane to another, in order. One thread puts a batch and one takes it. The
 * threads may differ from batch to batch, as long as both sides know beforehand which they are.
 *
 * A mailbox has MAILBOX_DEPTH places for batches; batch n lies in place n % MAILBOX_DEPTH.
 *
 *     putter                             taker
 *     mailbox_await_room(n)              mailbox_await_batch(n)
 *     writes mailbox_batch(n)            reads mailbox_batch(n), leaves NULL in each it took
 *     mailbox_put(n)                     mailbox_took(n)
 *
 * lane.h (workload_wait) says what a lane may wait for, so that no lane waits for ever. */
#ifndef HAK_MAILBOX_H
#define HAK_MAILBOX_H

#include "lane.h"
#include <stdatomic.h>

#define MAILBOX_DEPTH 4u

struct mailbox {
    _Alignas(128) _Atomic uint64_t put; /* number of batches put */
    struct {
        _Alignas(128) _Atomic uint64_t taken; /* number of batches taken from this place */
    } places[MAILBOX_DEPTH];
    uint32_t batch_blocks;
    size_t mapped_bytes;
    void *blocks[];
};

/* If it fails, it reports that and returns NULL. */
static inline struct mailbox *mailbox_create(struct workload_lane *lane, uint32_t batch_blocks)
{
    size_t bytes = sizeof(struct mailbox) + (size_t)MAILBOX_DEPTH * batch_blocks * sizeof(void *);
    struct mailbox *mailbox = workload_map(lane, bytes);
    if (mailbox != NULL) {
        mailbox->batch_blocks = batch_blocks;
        mailbox->mapped_bytes = bytes;
    }
    return mailbox;
}

static inline void **mailbox_batch(struct mailbox *mailbox, uint64_t number)
{
    return mailbox->blocks + number % MAILBOX_DEPTH * mailbox->batch_blocks;
}

/* Both waits return false if the run is over. */
static inline bool mailbox_await_room(struct workload_lane *lane, struct mailbox *mailbox, uint64_t number)
{
    _Atomic uint64_t *taken = &mailbox->places[number % MAILBOX_DEPTH].taken;
    while (atomic_load_explicit(taken, memory_order_acquire) < number / MAILBOX_DEPTH)
        if (!workload_wait(lane))
            return false;
    return true;
}

static inline bool mailbox_await_batch(struct workload_lane *lane, struct mailbox *mailbox, uint64_t number)
{
    while (atomic_load_explicit(&mailbox->put, memory_order_acquire) <= number)
        if (!workload_wait(lane))
            return false;
    return true;
}

static inline void mailbox_put(struct mailbox *mailbox, uint64_t number)
{
    atomic_store_explicit(&mailbox->put, number + 1, memory_order_release);
}

static inline void mailbox_took(struct mailbox *mailbox, uint64_t number)
{
    atomic_store_explicit(&mailbox->places[number % MAILBOX_DEPTH].taken, number / MAILBOX_DEPTH + 1,
                          memory_order_release);
}

/* Frees the blocks that were not taken, and the mailbox. The lane that made it calls this in finish. */
static inline void mailbox_destroy(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    for (size_t i = 0; i < (size_t)MAILBOX_DEPTH * mailbox->batch_blocks; i++)
        WORKLOAD_FREE(mailbox->blocks[i]);
    workload_unmap(mailbox, mailbox->mapped_bytes);
}

/* The mailbox of each lane, shared by all lanes. */
struct mailboxes {
    _Atomic(struct mailbox *) of_lane[WORKLOAD_MAX_THREADS];
};

#endif
