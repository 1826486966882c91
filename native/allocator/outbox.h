/* outbox.h: blocks smaller than a cache line on their way home. Such a block shares its line with others of
 * its slab, and those are mostly with the threads of the slab's heap. A thread of another heap that freed it
 * and then wrote to it again as a new block would take the line from them at every write, for ever (passive
 * false sharing: Berger and others, "Hoard", ASPLOS 2000). So this thread does not use it again:
 *
 *   free --class_of_slab[own heap]--> bin of the class       slab of the own heap, or blocks of a line and more
 *                                 \-> outbox of the class    slab of another heap: pushed, never popped;
 *                                                            full, or after tls.adapt_ms: to the slab's heap
 *
 * An outbox is a bin that no allocation knows of, so the fast path of free is the same for both. Its blocks
 * count as the cache's (tls.cached). */
#ifndef HAK_OUTBOX_H
#define HAK_OUTBOX_H

#include "bin.h"

/* A block of another heap's slab that the fast path did not take. */
void outbox_put(struct tls_cache *cache, unsigned class_index, void *block);
/* Sends what one of them holds. Returns how many blocks. */
unsigned outbox_flush(struct tls_cache *cache, unsigned class_index);
bool outboxes_are_valid(const struct tls_cache *cache);

static inline uint32_t outbox_fill(struct tls_cache *cache, unsigned class_index)
{
    const struct bin *outbox = outbox_of(cache, class_index);
    return (uint32_t)(outbox->top - outbox->base);
}

#endif
