/* outbox.c: fills outboxes, and sends their blocks home. */
#include "outbox.h"

#include "central.h"
#include "integrity.h"
#include "registry.h"

unsigned outbox_flush(struct tls_cache *cache, unsigned class_index)
{
    struct bin *outbox = outbox_of(cache, class_index);
    unsigned fill = outbox_fill(cache, class_index), count = fill;
    if (UNLIKELY(cache->check_level >= 2))
        count = integrity_check_bin(&cache->actor, cache->check_level, class_index, outbox->base, count, count);
    if (count && UNLIKELY(cache->goes_home))
        central_give_home(&cache->actor, class_index, outbox->base, count);
    else if (count)
        central_give(&cache->actor, &cache->row->classes[class_index], cache->heap, class_index, outbox->base, count);
    outbox->top = outbox->base;
    return fill;
}

void outbox_put(struct tls_cache *cache, unsigned class_index, void *block)
{
    struct bin *outbox = outbox_of(cache, class_index);
    if (!outbox->base) {
        outbox->base = outbox->top = cache->outbox_slots[class_index];
        outbox->limit = outbox->base + OUTBOX_SLOTS;
    }
    if (outbox->top == outbox->limit)
        outbox_flush(cache, class_index);
    bin_push(outbox, block);
}

bool outboxes_are_valid(const struct tls_cache *cache)
{
    bool valid = true;
    for (unsigned class_index = 0; class_index < OUTBOX_COUNT; class_index++) {
        const struct bin *outbox = &cache->bins[BIN_COUNT + class_index];
        valid &= outbox->base <= outbox->top && outbox->top <= outbox->limit;
        for (void **slot = outbox->base; slot < outbox->top; slot++) {
            struct chunk *chunk = registry_find(*slot);
            valid &= chunk && chunk_kind(chunk) == CHUNK_SLABS;
            const struct slab *slab = valid ? slab_of(chunk, *slot) : NULL;
            valid &= slab && slab->class_index == class_index && slab->heap != cache->heap;
        }
    }
    return valid;
}
