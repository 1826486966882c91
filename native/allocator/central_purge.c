/* central_purge.c: gives back the pages of slabs in use on which no block in use lies (central.h). */
#include "block_bits.h"
#include "central.h"
#include "central_lists.h"
#include "clock.h"
#include "events.h"
#include "os.h"
#include "settings.h"

#define PURGE_BATCH 32u /* at most so many slabs are taken out of use at a time */
#define LOOK_BATCH 256u /* after looking at so many slabs the lock is released for a moment */
#define PURGE_PART 8u   /* less than an eighth of a slab's pages is not worth a system call */

/* Slabs are looked at once in every ss.purge_delay_ms, but not more often than the upkeep runs, and at least once a
 * second. */
#define LOOK_PERIOD_MIN_MS 100
#define LOOK_PERIOD_MAX_MS 1000

static _Atomic uint32_t last_look_ms; /* relaxed: one look more or less does no harm */
/* One thread walks at a time. This is the only lock that is held while the system is called. The only thread that waits
 * for it is one that purges everything because memory is short: it needs the slabs that are being purged to serve again. */
static struct lock walk_lock;

/* Whether the slab was not touched for delay_ms, and was not looked through since. */
static bool is_idle_locked(struct slab *slab, uint32_t now_ms, int64_t delay_ms)
{
    if (slab->activity == SLAB_TOUCHED) {
        slab->activity = SLAB_IDLE;
        slab->idle_since_ms = now_ms;
    }
    return slab->activity == SLAB_IDLE && (int32_t)(now_ms - slab->idle_since_ms) >= delay_ms;
}

/* Moves idle slabs, from the cursor on, to the list PURGING, from which no thread takes blocks. */
static unsigned claim_idle_locked(struct central *central, struct slab **claimed, uint64_t *pages, uint32_t now_ms,
                                  int64_t delay_ms)
{
    unsigned count = 0;
    for (unsigned looked = 0; central->cursor && looked < LOOK_BATCH && count < PURGE_BATCH; looked++) {
        struct slab *slab = central->cursor;
        central->cursor = slab->next;
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

/* Puts a slab that is in no list where it belongs after a purge. */
static void put_in_use_locked(const struct actor *actor, struct central *central, struct slab *slab)
{
    if (slab->used && slab->purged_pages)
        central_list_locked(central, slab, SLAB_COLD);
    else
        central_settle_locked(actor, central, slab);
}

static unsigned end_purge_locked(const struct actor *actor, struct central *central, struct slab *slab, uint64_t purged,
                                 uint64_t wanted)
{
    if (purged != wanted) /* the system refused some pages; a later walk tries them again */
        slab->activity = SLAB_TOUCHED;
    central_set_purged_pages(slab, slab->purged_pages | purged);
    central_unlist_locked(central, slab);
    put_in_use_locked(actor, central, slab);
    return (unsigned)__builtin_popcountll(purged);
}

/* Slabs that are listed meanwhile are put in front of the cursor, so that the loop ends. */
static size_t purge_list(const struct actor *actor, struct central *central, enum slab_list list, uint32_t now_ms,
                         int64_t delay_ms)
{
    struct slab *claimed[PURGE_BATCH];
    uint64_t wanted[PURGE_BATCH], purged[PURGE_BATCH];
    size_t pages = 0;
    lock_acquire(&central->lock);
    central->cursor = central->lists[list];
    while (central->cursor) {
        unsigned count = claim_idle_locked(central, claimed, wanted, now_ms, delay_ms);
        lock_release(&central->lock);
        for (unsigned i = 0; i < count; i++)
            purged[i] = superslab_purge_pages(claimed[i], wanted[i]);
        lock_acquire(&central->lock);
        for (unsigned i = 0; i < count; i++)
            pages += end_purge_locked(actor, central, claimed[i], purged[i], wanted[i]);
    }
    lock_release(&central->lock);
    return pages * PAGE_BYTES;
}

static size_t walk(const struct actor *actor, uint32_t now_ms, int64_t delay_ms)
{
    size_t purged = 0;
    for (unsigned heap = 0; heap <= central_sampled_heap(); heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            size_t bytes = purge_list(actor, central, SLAB_PARTIAL, now_ms, delay_ms) +
                           purge_list(actor, central, SLAB_COLD, now_ms, delay_ms);
            if (bytes)
                event_append(actor, EVENT_PURGE, CAUSE_IDLE, class_index, 0, (double)bytes);
            purged += bytes;
        }
    return purged;
}

size_t central_purge(const struct actor *actor, uint32_t now_ms, bool everything)
{
    if (os_is_confined())
        return 0; /* pages would have to be mapped anew, and each scattered run would become a mapping of its own */
    int64_t delay_ms = everything ? INT32_MIN : SETTING(ss_purge_delay_ms);
    if (everything)
        lock_acquire(&walk_lock);
    else if (delay_ms < 0 ||
             !clock_is_due(&last_look_ms, now_ms, clamp_int64(delay_ms, LOOK_PERIOD_MIN_MS, LOOK_PERIOD_MAX_MS)) ||
             !lock_try(&walk_lock))
        return 0;
    size_t purged = walk(actor, now_ms, delay_ms);
    lock_release(&walk_lock);
    return purged;
}

void central_settings_changed(void)
{
    atomic_store_explicit(&last_look_ms, 0, memory_order_relaxed);
}

void central_reset_walk(void)
{
    lock_reset(&walk_lock);
}

void central_after_fork(void)
{
    for (unsigned heap = 0; heap <= central_sampled_heap(); heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            struct slab *slab = central->lists[SLAB_PURGING];
            central->lists[SLAB_PURGING] = NULL;
            while (slab) {
                struct slab *next = slab->next;
                slab->list = SLAB_UNLISTED;
                slab->activity = SLAB_TOUCHED;
                put_in_use_locked(NULL, central, slab);
                slab = next;
            }
        }
}
