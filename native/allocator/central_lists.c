/* central_lists.c: puts slabs into lists, takes them out, and releases those without a block in use. */
#include "central_lists.h"

#include "block_bits.h"
#include "clock.h"
#include "superslab.h"
#include "telemetry.h"

_Alignas(SMALLEST_PAGE_BYTES) struct central centrals[MAX_HEAPS + 1][SIZE_CLASS_COUNT];

void central_list_locked(struct central *central, struct slab *slab, enum slab_list list)
{
    struct slab **head = &central->lists[list];
    slab->list = (uint8_t)list;
    slab->previous = NULL;
    slab->next = *head;
    if (*head)
        (*head)->previous = slab;
    *head = slab;
}

void central_unlist_locked(struct central *central, struct slab *slab)
{
    if (central->cursor == slab)
        central->cursor = slab->next;
    if (slab->previous)
        slab->previous->next = slab->next;
    else
        central->lists[slab->list] = slab->next;
    if (slab->next)
        slab->next->previous = slab->previous;
    slab->list = SLAB_UNLISTED;
}

void central_set_purged_pages(struct slab *slab, uint64_t pages)
{
    int64_t change = __builtin_popcountll(slab->purged_pages) - __builtin_popcountll(pages);
    telemetry_add(&telemetry->global.committed_bytes, change * (int64_t)PAGE_BYTES);
    slab->purged_pages = pages;
}

void central_settle_locked(const struct actor *actor, struct central *central, struct slab *slab)
{
    unsigned class_index = slab->class_index;
    if (slab->list == SLAB_PURGING)
        return; /* it is settled when the purge ends */
    if (central_is_empty_locked(slab)) {
        if (slab->list)
            central_unlist_locked(central, slab);
        central_set_purged_pages(slab, 0); /* superslab_release counts every page of the slab as touched */
        block_bits_clear(slab);
        telemetry_add(&telemetry->classes[class_index].slabs, -(int64_t)slab->span_slabs);
        telemetry_add(&telemetry->classes[class_index].blocks, -(int64_t)size_classes[class_index].span_blocks);
        superslab_release(actor, slab, clock_now_ms(actor));
    } else if (!slab->list) {
        central_list_locked(central, slab, SLAB_PARTIAL);
    }
}
