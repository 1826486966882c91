/* outbox.h: blocks smaller than a cache line on their way to the heap of their slab. Such a block shares its line with
 * other blocks of the slab, which threads of the slab's heap mostly use. If a thread of another heap freed the block and
 * allocated it again, each of its writes would take the line from those threads, again and again (passive
 * false sharing: Berger and others, "Hoard", ASPLOS 2000). So this thread does not reuse the block:
 *
 *   free --class_of_slab[own heap]--> bin of the class       slab of the own heap, or blocks of a line and more
 *                                 \-> outbox of the class    slab of another heap: pushed, never popped;
 *                                                            full, or after tls.adapt_ms: to the slab's heap
 *
 * An outbox is a bin from which no allocation pops, so the fast path of free is the same for both. Its blocks
 * count as the cache's (tls.cached). */
#ifndef HAK_OUTBOX_H
#define HAK_OUTBOX_H

#include "bin.h"

/* Puts a block of another heap's slab, which the fast path did not push, into the outbox. */
void outbox_put(struct tls_cache *cache, unsigned class_index, void *block);
/* Sends the blocks of one outbox home. Returns how many. */
unsigned outbox_flush(struct tls_cache *cache, unsigned class_index);
bool outboxes_are_valid(const struct tls_cache *cache);

static inline uint32_t outbox_fill(struct tls_cache *cache, unsigned class_index)
{
    const struct bin *outbox = outbox_of(cache, class_index);
    return (uint32_t)(outbox->top - outbox->base);
}

#endif
