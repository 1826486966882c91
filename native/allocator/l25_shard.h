/* l25_shard.h: one shard of the L2.5 pool: its lists of free blocks and its counts. l25_pool.c decides how many shards
 * there are, and which one a thread uses.
 *
 *   newest[c] -> slab -> slab -> slab <- oldest[c]     linked through struct slab's next and previous,
 *                                                      never through the block's own pages
 *
 * Invariants (shard_is_valid_locked): a listed slab has state L25 and used == 0; free_bytes is the sum of the
 * listed blocks; a list that is not empty has its bit in l25_holders; 0 <= credit_bytes <= 1 MiB.
 *
 * Everything is written under the shard's lock. Other threads may read the atomic members, which are relaxed. A new shard
 * is all zeros, so the pages of shards that are never used are never touched. */
#ifndef HAK_L25_SHARD_H
#define HAK_L25_SHARD_H

#include "chunk.h"
#include "lock.h"
#include "telemetry.h"

#define L25_CLASS_COUNT 5
#define L25_MAX_SHARDS 1024
#define L25_CREDIT_MAX_BYTES ((int64_t)L25_MAX_BYTES)
#define L25_VISITS_A_LOOK 64u /* frees in a shard between two looks for idle blocks */
#define L25_HOLDER_WORDS (L25_MAX_SHARDS / 64)

struct shard {
    _Alignas(2 * CACHE_LINE) struct lock lock;
    uint32_t marked;          /* bit c: l25_holders[c] says that this shard may hold blocks of class c */
    uint32_t visits;          /* frees so far */
    uint32_t allocations_due; /* when `allocations` reaches this, the load of all shards is looked at */
    _Atomic uint32_t epoch;   /* the window in which the next two members count */
    _Atomic uint32_t allocations, operations;
    uint32_t reserved;
    /* Freed bytes that telemetry still counts as at the user, which saves most operations an addition to words that all
     * shards share. Telemetry shows up to L25_CREDIT_MAX_BYTES for each shard too much, and never too little. */
    _Atomic int64_t credit_bytes;
    uint64_t free_bytes;
    _Atomic(struct slab *) newest[L25_CLASS_COUNT];
    struct slab *oldest[L25_CLASS_COUNT];
};
_Static_assert(sizeof(struct shard) == 2 * CACHE_LINE, "two lines a shard");

extern struct shard l25_shards[L25_MAX_SHARDS];
/* One bit for each shard, which is set if the shard may hold blocks of the class. It is written under the shard's lock.
 * Only l25_pool_purge clears it, so that a list that empties and fills again does not write here. */
extern _Atomic uint64_t l25_holders[L25_CLASS_COUNT][L25_HOLDER_WORDS];

static inline size_t l25_class_bytes(unsigned class_index)
{
    return SLAB_BYTES << class_index;
}

static inline unsigned l25_class_for(size_t bytes)
{
    return bytes <= SLAB_BYTES ? 0 : log2_floor((uint64_t)(bytes - 1) >> SLAB_SHIFT) + 1;
}

static inline uint32_t shard_index(const struct shard *shard)
{
    return (uint32_t)(shard - l25_shards);
}

void shard_mark_locked(struct shard *shard, unsigned class_index);

static inline void shard_push_locked(struct shard *shard, struct slab *slab)
{
    unsigned class_index = slab->class_index;
    struct slab *newest = atomic_load_explicit(&shard->newest[class_index], memory_order_relaxed);
    slab->next = newest;
    slab->previous = NULL;
    if (newest)
        newest->previous = slab;
    else
        shard->oldest[class_index] = slab;
    atomic_store_explicit(&shard->newest[class_index], slab, memory_order_relaxed);
    shard->free_bytes += l25_class_bytes(class_index);
    if (UNLIKELY(!(shard->marked >> class_index & 1)))
        shard_mark_locked(shard, class_index);
}

static inline void shard_unlink_locked(struct shard *shard, struct slab *slab)
{
    unsigned class_index = slab->class_index;
    if (slab->previous)
        slab->previous->next = slab->next;
    else
        atomic_store_explicit(&shard->newest[class_index], slab->next, memory_order_relaxed);
    if (slab->next)
        slab->next->previous = slab->previous;
    else
        shard->oldest[class_index] = slab->previous;
    shard->free_bytes -= l25_class_bytes(class_index);
}

static inline struct slab *shard_pop_locked(struct shard *shard, unsigned class_index)
{
    struct slab *slab = atomic_load_explicit(&shard->newest[class_index], memory_order_relaxed);
    if (slab)
        shard_unlink_locked(shard, slab);
    return slab;
}

static inline void shard_publish_free_bytes_locked(struct shard *shard)
{
    telemetry_set(&telemetry->shards[shard_index(shard)].free_bytes, shard->free_bytes);
}

static inline void l25_add_live_bytes(int64_t bytes)
{
    telemetry_add(&telemetry->global.l25_live_bytes, bytes);
    telemetry_add(&telemetry->global.handed_out_bytes, bytes);
}

/* Counts bytes that came back from the user. */
static inline void shard_credit_locked(struct shard *shard, int64_t bytes)
{
    int64_t credit = atomic_load_explicit(&shard->credit_bytes, memory_order_relaxed) + bytes;
    if (credit > L25_CREDIT_MAX_BYTES) {
        l25_add_live_bytes(L25_CREDIT_MAX_BYTES - credit);
        credit = L25_CREDIT_MAX_BYTES;
    }
    atomic_store_explicit(&shard->credit_bytes, credit, memory_order_relaxed);
}

/* Counts bytes that go to the user. */
static inline void shard_debit_locked(struct shard *shard, int64_t bytes)
{
    int64_t credit = atomic_load_explicit(&shard->credit_bytes, memory_order_relaxed) - bytes;
    if (credit < 0) {
        l25_add_live_bytes(-credit);
        credit = 0;
    }
    atomic_store_explicit(&shard->credit_bytes, credit, memory_order_relaxed);
}

/* Whether the shard may hold blocks of any class. */
bool shard_is_marked(const struct shard *shard);
/* Clears the shard's bits in l25_holders for its empty lists, so that other threads no longer look here. */
void shard_unmark_empty_locked(struct shard *shard);
/* Takes out at most `most` blocks that have been idle for delay_ms, and returns them linked through `next`. */
struct slab *shard_detach_idle_locked(struct shard *shard, uint32_t now_ms, int64_t delay_ms, uint32_t most);
/* Takes out the oldest blocks, at most `most`, until keep_bytes are left, and returns them linked through `next`. */
struct slab *shard_detach_oldest_locked(struct shard *shard, uint64_t keep_bytes, uint32_t most);
/* Takes out all blocks and returns them linked through `next`. */
struct slab *shard_detach_all_locked(struct shard *shard);
void shard_push_chain_locked(struct shard *shard, struct slab *chain);
bool shard_is_valid_locked(struct shard *shard);

#endif
