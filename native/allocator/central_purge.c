/* central_purge.c: pages of slabs in use that no block in use lies on, given back (central.h). */
#include "block_bits.h"
#include "central_lists.h"
#include "events.h"
#include "settings.h"

#define PURGE_BATCH 32u /* slabs taken out of use at a time */
#define PURGE_PART 8u   /* of a slab's pages: for less no system call is made */

#define LOOK_PERIOD_MIN_MS 100
#define LOOK_PERIOD_MAX_MS 1000

static _Atomic uint32_t last_look_ms; /* relaxed: a look more or less does no harm */

/* As often as a slab can have become idle since: after the delay, but not more often than upkeep comes by, and
 * once a second at least. */
static bool is_look_due(uint32_t now_ms, int64_t delay_ms)
{
    uint32_t last = atomic_load_explicit(&last_look_ms, memory_order_relaxed);
    if ((int32_t)(now_ms - last) < clamp_int64(delay_ms, LOOK_PERIOD_MIN_MS, LOOK_PERIOD_MAX_MS))
        return false;
    return atomic_compare_exchange_strong_explicit(&last_look_ms, &last, now_ms, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* Not touched for so long, and not looked through since. */
static bool is_idle_locked(struct slab *slab, uint32_t now_ms, int64_t delay_ms)
{
    if (slab->activity == SLAB_TOUCHED) {
        slab->activity = SLAB_IDLE;
        slab->idle_since_ms = now_ms;
    }
    return slab->activity == SLAB_IDLE && (int32_t)(now_ms - slab->idle_since_ms) >= delay_ms;
}

/* Moves slabs to PURGING, where nobody takes blocks of them. */
static unsigned claim_idle_locked(struct central *central, struct slab **claimed, uint64_t *pages, uint32_t now_ms,
                                  int64_t delay_ms)
{
    unsigned count = 0;
    for (enum slab_list list = SLAB_PARTIAL; list <= SLAB_COLD; list++)
        for (struct slab *slab = central->lists[list], *next; slab && count < PURGE_BATCH; slab = next) {
            next = slab->next;
            if (!is_idle_locked(slab, now_ms, delay_ms))
                continue;
            slab->activity = SLAB_LOOKED_THROUGH;
            pages[count] = block_bits_idle_pages(slab) & ~slab->purged_pages;
            unsigned idle_pages = (unsigned)__builtin_popcountll(pages[count]);
            if (idle_pages * PURGE_PART < slab->span_slabs * (SLAB_BYTES / PAGE_BYTES))
                continue;
            central_unlist_locked(central, slab);
            central_list_locked(central, slab, SLAB_PURGING);
            claimed[count++] = slab;
        }
    return count;
}

static void end_purge_locked(const struct actor *actor, struct central *central, struct slab *slab)
{
    central_unlist_locked(central, slab);
    if (slab->used && slab->purged_pages)
        central_list_locked(central, slab, SLAB_COLD);
    else
        central_settle_locked(actor, central, slab);
}

static size_t purge_central(const struct actor *actor, struct central *central, uint32_t now_ms, int64_t delay_ms)
{
    struct slab *claimed[PURGE_BATCH];
    uint64_t pages[PURGE_BATCH];
    size_t purged = 0;
    unsigned count;
    do {
        lock_acquire(&central->lock);
        count = claim_idle_locked(central, claimed, pages, now_ms, delay_ms);
        lock_release(&central->lock);
        for (unsigned i = 0; i < count; i++)
            pages[i] = superslab_purge_pages(claimed[i], pages[i]);
        if (!count)
            break;
        lock_acquire(&central->lock);
        for (unsigned i = 0; i < count; i++) {
            purged += (size_t)__builtin_popcountll(pages[i]);
            central_set_purged_pages(claimed[i], claimed[i]->purged_pages | pages[i]);
            end_purge_locked(actor, central, claimed[i]);
        }
        lock_release(&central->lock);
    } while (count == PURGE_BATCH);
    return purged * PAGE_BYTES;
}

size_t central_purge(const struct actor *actor, uint32_t now_ms, bool everything)
{
    int64_t delay_ms = everything ? 0 : SETTING(ss_purge_delay_ms);
    size_t purged = 0;
    if (!everything && (delay_ms < 0 || !is_look_due(now_ms, delay_ms)))
        return 0;
    for (unsigned heap = 0; heap < central_heap_count(); heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            size_t bytes = purge_central(actor, &centrals[heap][class_index], now_ms, delay_ms);
            if (bytes)
                event_append(actor, EVENT_PURGE, CAUSE_IDLE, class_index, 0, (double)bytes);
            purged += bytes;
        }
    return purged;
}

void central_after_fork(void)
{
    for (unsigned heap = 0; heap < central_heap_count(); heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            while (central->lists[SLAB_PURGING])
                end_purge_locked(NULL, central, central->lists[SLAB_PURGING]);
        }
}
