/* central_purge.c: gives back the pages of slabs in use on which no block in use lies (central.h). */
#include "block_bits.h"
#include "central.h"
#include "central_lists.h"
#include "clock.h"
#include "events.h"
#include "os.h"
#include "retention.h"
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
        if (slab->used && idle_pages * PURGE_PART < slab->span_slabs * (SLAB_BYTES / PAGE_BYTES))
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
    if (!central_is_empty_locked(slab) && slab->purged_pages)
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

/* Whether no thread took blocks from the list since the last call. */
static bool was_left_alone(struct central *central)
{
    lock_acquire(&central->lock);
    bool was_taken_from = central->is_taken_from;
    central->is_taken_from = false;
    lock_release(&central->lock);
    return !was_taken_from;
}

/* If only_left_alone, classes from which blocks were taken since the last such walk are left out. */
static size_t walk(const struct actor *actor, uint32_t now_ms, int64_t delay_ms, bool only_left_alone)
{
    size_t purged = 0;
    for (unsigned heap = 0; heap <= central_sampled_heap(); heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            if (!atomic_load_explicit(&central->is_in_use, memory_order_relaxed) ||
                (only_left_alone && !was_left_alone(central)))
                continue;
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
    size_t purged = walk(actor, now_ms, delay_ms, false);
    lock_release(&walk_lock);
    return purged;
}

/* ---- while the process grows ---------------------------------------------------------------------- */

#define SPARSE_BYTES (UINT64_C(16) << 20) /* so much, and a quarter, of what is committed may be free in any case */
#define GROWTH_PART 32u /* the process must grow by one part in so many between two looks */

static _Atomic uint64_t next_look_bytes; /* relaxed, as last_look_ms */
static struct retention retention;

void central_note_purged_serve(const struct actor *actor, const struct slab *slab)
{
    if (retention_has_given(&retention))
        retention_missed(&retention, (uint64_t)__builtin_popcountll(slab->purged_pages) * PAGE_BYTES, RETENTION_DOUBT,
                         clock_now_ms(actor));
}

void central_purge_sparse(const struct actor *actor)
{
    uint64_t committed = telemetry_get(&telemetry->global.committed_bytes);
    uint64_t out = telemetry_get(&telemetry->global.handed_out_bytes), spare = committed > out ? committed - out : 0;
    if (spare < committed / 4 || spare < retention_bytes(&retention, SPARSE_BYTES) ||
        committed < atomic_load_explicit(&next_look_bytes, memory_order_relaxed) || SETTING(ss_purge_delay_ms) < 0 ||
        os_is_confined() || !lock_try(&walk_lock))
        return;
    uint32_t now_ms = clock_now_ms(actor);
    size_t purged = walk(actor, now_ms, INT32_MIN, true);
    lock_release(&walk_lock);
    retention_gave(&retention, purged, now_ms);
    committed -= purged < committed ? purged : committed;
    atomic_store_explicit(&next_look_bytes, committed + committed / GROWTH_PART, memory_order_relaxed);
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
