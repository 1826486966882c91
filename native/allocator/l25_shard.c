/* l25_shard.c: the less frequent work on one shard of the L2.5 pool. */
#include "l25_shard.h"

#include "registry.h"

#define CLOCK_FOREIGN_MS 65536 /* a time that is further away than any delay was read under another clock.mode */

_Alignas(SMALLEST_PAGE_BYTES) struct shard l25_shards[L25_MAX_SHARDS];
_Atomic uint64_t l25_holders[L25_CLASS_COUNT][L25_HOLDER_WORDS];

static _Atomic uint64_t *holder_word(const struct shard *shard, unsigned class_index)
{
    return &l25_holders[class_index][shard_index(shard) / 64];
}

static uint64_t holder_bit(const struct shard *shard)
{
    return UINT64_C(1) << (shard_index(shard) % 64);
}

void shard_mark_locked(struct shard *shard, unsigned class_index)
{
    shard->marked |= 1u << class_index;
    atomic_fetch_or_explicit(holder_word(shard, class_index), holder_bit(shard), memory_order_relaxed);
}

void shard_unmark_empty_locked(struct shard *shard)
{
    for (unsigned class_index = 0; class_index < L25_CLASS_COUNT; class_index++) {
        if (!(shard->marked >> class_index & 1) || shard->oldest[class_index])
            continue;
        shard->marked &= ~(1u << class_index);
        atomic_fetch_and_explicit(holder_word(shard, class_index), ~holder_bit(shard), memory_order_relaxed);
    }
}

static bool is_marked(const struct shard *shard, unsigned class_index)
{
    return atomic_load_explicit(holder_word(shard, class_index), memory_order_relaxed) & holder_bit(shard);
}

bool shard_is_marked(const struct shard *shard)
{
    bool marked = false;
    for (unsigned class_index = 0; class_index < L25_CLASS_COUNT; class_index++)
        marked |= is_marked(shard, class_index);
    return marked;
}

static bool is_due(const struct slab *slab, uint32_t now_ms, int64_t delay_ms)
{
    int32_t idle_ms = (int32_t)(now_ms - slab->idle_since_ms);
    return idle_ms >= delay_ms || idle_ms <= -CLOCK_FOREIGN_MS;
}

struct slab *shard_detach_idle_locked(struct shard *shard, uint32_t now_ms, int64_t delay_ms, uint32_t most)
{
    struct slab *chain = NULL, *slab;
    for (unsigned class_index = 0; class_index < L25_CLASS_COUNT; class_index++) {
        while (most && (slab = shard->oldest[class_index]) != NULL && is_due(slab, now_ms, delay_ms)) {
            shard_unlink_locked(shard, slab);
            slab->next = chain;
            chain = slab;
            most--;
        }
    }
    if (chain)
        shard_publish_free_bytes_locked(shard);
    return chain;
}

static struct slab *oldest_locked(const struct shard *shard)
{
    struct slab *oldest = NULL;
    for (unsigned class_index = 0; class_index < L25_CLASS_COUNT; class_index++) {
        struct slab *slab = shard->oldest[class_index];
        if (slab && (!oldest || (int32_t)(slab->idle_since_ms - oldest->idle_since_ms) < 0))
            oldest = slab;
    }
    return oldest;
}

struct slab *shard_detach_oldest_locked(struct shard *shard, uint64_t keep_bytes, uint32_t most)
{
    struct slab *chain = NULL, *slab;
    for (; most && shard->free_bytes > keep_bytes && (slab = oldest_locked(shard)) != NULL; most--) {
        shard_unlink_locked(shard, slab);
        slab->next = chain;
        chain = slab;
    }
    shard_publish_free_bytes_locked(shard);
    return chain;
}

struct slab *shard_detach_all_locked(struct shard *shard)
{
    return shard_detach_idle_locked(shard, 0, INT64_MIN, UINT32_MAX);
}

void shard_push_chain_locked(struct shard *shard, struct slab *chain)
{
    while (chain) {
        struct slab *next = chain->next;
        shard_push_locked(shard, chain);
        chain = next;
    }
    shard_publish_free_bytes_locked(shard);
}

static bool list_is_valid_locked(struct shard *shard, unsigned class_index, uint64_t *bytes)
{
    struct slab *previous = NULL;
    struct slab *slab = atomic_load_explicit(&shard->newest[class_index], memory_order_relaxed);
    bool marked = is_marked(shard, class_index);
    bool valid = marked == (shard->marked >> class_index & 1) && (marked || slab == NULL);
    for (; slab && valid; previous = slab, slab = slab->next) {
        valid &= slab->previous == previous;
        valid &= slab->state == SLAB_L25 && slab->class_index == class_index && slab->head_offset == 0;
        valid &= slab->span_slabs == 1u << class_index && slab->index % slab->span_slabs == 0;
        valid &= __atomic_load_n(&slab->used, __ATOMIC_RELAXED) == 0;
        valid &= registry_find(slab_start(slab)) == slab_chunk(slab);
        *bytes += l25_class_bytes(class_index);
    }
    return valid && shard->oldest[class_index] == previous;
}

bool shard_is_valid_locked(struct shard *shard)
{
    bool valid = true;
    uint64_t bytes = 0;
    for (unsigned class_index = 0; class_index < L25_CLASS_COUNT; class_index++)
        valid &= list_is_valid_locked(shard, class_index, &bytes);
    int64_t credit = atomic_load_explicit(&shard->credit_bytes, memory_order_relaxed);
    return valid && bytes == shard->free_bytes && credit >= 0 && credit <= L25_CREDIT_MAX_BYTES;
}
