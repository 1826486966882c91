/* tls_cache_outboxes.c: what a cache holds of a class, in its bin and in its outbox. */
#include "outbox.h"
#include "tls_cache.h"

void tls_cache_publish_held(struct tls_cache *cache, unsigned class_index)
{
    struct telemetry_thread_class *row = &cache->row->classes[class_index];
    uint32_t held = (uint32_t)fill_of(&cache->bins[class_index]);
    if (class_index < OUTBOX_COUNT)
        held += outbox_fill(cache, class_index);
    int64_t change = held - (int64_t)telemetry_get(&row->cached);
    if (change == 0)
        return;
    telemetry_set(&row->cached, held);
    cache->cached_bytes += (uint64_t)(change * (int64_t)size_classes[class_index].bytes);
    telemetry_set(&cache->row->cached_bytes, cache->cached_bytes);
}

unsigned tls_cache_flush_outboxes(struct tls_cache *cache)
{
    unsigned flushed = 0;
    for (unsigned class_index = 0; class_index < OUTBOX_COUNT; class_index++) {
        unsigned sent = outbox_flush(cache, class_index);
        if (sent)
            tls_cache_publish_held(cache, class_index);
        flushed += sent;
    }
    return flushed;
}

void tls_cache_free_foreign(struct tls_cache *cache, unsigned class_index, void *block)
{
    outbox_put(cache, class_index, block);
    tls_cache_look(cache); /* because a thread may do nothing but free such blocks */
    tls_cache_publish_held(cache, class_index);
}
