/* superslab_purge.c: resizes spans in place, and gives idle slabs and chunks back. */
#include "superslab.h"

#include "events.h"
#include "frames.h"
#include "os.h"
#include "settings.h"
#include "slab_runs.h"
#include "superslab_lists.h"
#include "telemetry.h"

/* A DRAINING chunk whose span has grown past ss.drain_percent serves again. */
static void promote_locked(const struct actor *actor, struct chunk *chunk)
{
    unsigned busy = SLABS_PER_CHUNK - (unsigned)__builtin_popcount(chunk->free_mask);
    if (chunk->tier == TIER_DRAINING && busy * 100 > (unsigned)SETTING(ss_drain_percent) * SLABS_PER_CHUNK)
        chunk_set_tier_locked(actor, chunk, TIER_HOT, CAUSE_NONE);
}

/* A span only grows if a span of the new length may start at its first slab: spans are aligned to their size. */
static bool grow(const struct actor *actor, struct slab *slab, unsigned span_slabs, bool only_dirty)
{
    struct chunk *chunk = slab_chunk(slab);
    unsigned had = slab->span_slabs;
    if (slab->index % span_slabs)
        return false;
    uint32_t added = slabs_mask(slab->index + had, span_slabs - had);
    lock_acquire(&superslab_shared.lock);
    bool is_free = !chunk->is_purging && ((only_dirty ? chunk->dirty_mask : chunk->free_mask) & added) == added;
    if (is_free) {
        superslab_add_committed((int64_t)__builtin_popcount(added & ~chunk->dirty_mask));
        chunk_unlist_locked(chunk);
        chunk->free_mask &= ~added;
        superslab_count_dirty_locked(-__builtin_popcount(added & chunk->dirty_mask));
        chunk->dirty_mask &= ~added;
        promote_locked(actor, chunk);
        chunk_list_locked(chunk);
        telemetry_add(&telemetry->global.busy_slabs, span_slabs - had);
    }
    lock_release(&superslab_shared.lock);
    for (unsigned i = had; is_free && i < span_slabs; i++) {
        slab[i].state = SLAB_INTERIOR;
        slab[i].head_offset = (uint8_t)i;
    }
    return is_free;
}

bool superslab_resize(const struct actor *actor, struct slab *slab, unsigned span_slabs, bool only_dirty,
                      uint32_t now_ms)
{
    unsigned had = slab->span_slabs;
    if (span_slabs > had && !grow(actor, slab, span_slabs, only_dirty))
        return false;
    slab->span_slabs = (uint8_t)span_slabs;
    if (span_slabs < had) { /* the rest becomes a span of its own and is released */
        struct slab *rest = slab + span_slabs;
        rest->span_slabs = (uint8_t)(had - span_slabs);
        rest->class_index = slab->class_index;
        rest->state = SLAB_L25;
        superslab_release_rest(actor, rest, now_ms);
    }
    return true;
}

/* Purges units of `unit_bytes`, counted from `start`, whose bits are set, with one system call for each run. Returns the
 * bits of the units that the system refused. */
static uint64_t purge_units(struct chunk *chunk, char *start, size_t unit_bytes, uint64_t units)
{
    uint64_t refused = 0;
    bool is_whole = unit_bytes == SLAB_BYTES && units == FULL_MASK;
    if (!is_whole && atomic_exchange_explicit(&chunk->huge_frames, 0, memory_order_relaxed))
        os_split_huge_page(chunk->base, start + (size_t)__builtin_ctzll(units) * unit_bytes);
    while (units) {
        unsigned first = (unsigned)__builtin_ctzll(units);
        uint64_t from_first = units >> first;
        unsigned count = ~from_first ? (unsigned)__builtin_ctzll(~from_first) : 64;
        uint64_t run = (UINT64_MAX >> (64 - count)) << first;
        if (!os_purge(start + first * unit_bytes, count * unit_bytes))
            refused |= run;
        units &= ~run;
    }
    return refused;
}

uint64_t superslab_purge_pages(struct slab *slab, uint64_t pages)
{
    return pages & ~purge_units(slab_chunk(slab), slab_start(slab), PAGE_BYTES, pages);
}

/* Purges one chunk's idle slabs; unmaps the chunk if it is FREE and not retained. Called with the lock held, which it
 * releases for the system calls. Returns the bytes given back. */
static size_t purge_chunk_locked(const struct actor *actor, struct chunk *chunk)
{
    uint32_t dirty = chunk->dirty_mask;
    /* The slabs of a huge page are resident before they are used, though they do not count as committed. */
    uint32_t claimed = atomic_load_explicit(&chunk->huge_frames, memory_order_relaxed) ? chunk->free_mask : dirty;
    bool let_go = chunk->tier == TIER_FREE && superslab_shared.tier_counts[TIER_FREE] > (uint32_t)SETTING(ss_retain_chunks);
    chunk_unlist_locked(chunk);
    chunk->is_purging = 1;
    chunk->claimed_mask = claimed;
    chunk->free_mask &= ~claimed;
    chunk->dirty_mask = 0;
    superslab_count_dirty_locked(-__builtin_popcount(dirty));
    if (let_go) {
        chunk_set_kind(chunk, CHUNK_NONE); /* whoever walks over all chunks skips it from now on */
        uint32_t count = superslab_chunk_count_locked();
        superslab_shared.tier_counts[TIER_FREE]--;
        telemetry_set(&telemetry->tiers[TIER_FREE].chunks, superslab_shared.tier_counts[TIER_FREE]);
        event_append(actor, EVENT_SS_FREE, CAUSE_IDLE, NO_ITEM, count, count - 1.0);
    }
    lock_section_begin(); /* until its end the claimed slabs are in no mask */
    lock_release(&superslab_shared.lock);

    /* A chunk that is not kept is unmapped below, which gives its pages back, too. */
    uint32_t refused = let_go ? 0 : (uint32_t)purge_units(chunk, chunk->base, SLAB_BYTES, claimed) & dirty;
    int64_t purged = __builtin_popcount(dirty & ~refused);
    superslab_add_committed(-purged);
    if (purged)
        event_append(actor, EVENT_PURGE, CAUSE_IDLE, NO_ITEM, 0, (double)purged * (double)SLAB_BYTES);
    if (let_go) {
        char *base = chunk->base;
        telemetry_add(&telemetry->global.purged_bytes, purged * (int64_t)SLAB_BYTES);
        registry_remove(chunk);
        frames_release(base, 1);
        lock_acquire(&superslab_shared.lock);
        lock_section_end();
        return (size_t)purged * SLAB_BYTES;
    }
    lock_acquire(&superslab_shared.lock);
    lock_section_end();
    chunk->is_purging = 0;
    chunk->free_mask |= claimed;
    chunk->dirty_mask |= refused;
    superslab_count_dirty_locked(__builtin_popcount(refused));
    chunk_update_tier_locked(actor, chunk);
    chunk_list_locked(chunk);
    return (size_t)purged * SLAB_BYTES;
}

/* ---- surplus ------------------------------------------------------------------------------------ */

#define UNEARNED_SLABS 128u /* so many dirty slabs (8 MiB) are kept in any case (retention.h) */
#define MOST_AFTER_THREADS_BYTES (UINT64_C(24) << 20) /* and of what was earned, so much when all threads but one have ended */
#define SLACK_SLABS 32u     /* only so many above what may be kept are surplus, so that whole chunks come together */
#define SURPLUS_CHUNKS 4u   /* one free purges at most so many */
#define LOOK_CHUNKS 32u     /* so many are searched for one that is worth its system calls */
#define WORTH_SLABS 8       /* a system call must give back so many slabs on average */

static uint32_t retained_slabs(void)
{
    uint64_t bytes = retention_bytes(&superslab_shared.retention, UNEARNED_SLABS * SLAB_BYTES);
    return bytes / SLAB_BYTES < UINT32_MAX / 2 ? (uint32_t)(bytes / SLAB_BYTES) : UINT32_MAX / 2;
}

static uint32_t dirty_slabs(void)
{
    return atomic_load_explicit(&superslab_shared.dirty_slabs, memory_order_relaxed);
}

/* Sets the number of dirty slabs above which a free looks for surplus. If no chunk was worth a system call, the next look
 * waits until there are more. */
static void set_surplus_mark(void)
{
    uint32_t retained = retained_slabs(), dirty = dirty_slabs();
    uint32_t mark = (dirty > retained ? dirty : retained) + SLACK_SLABS;
    atomic_store_explicit(&superslab_shared.surplus_slabs, mark, memory_order_relaxed);
}

/* Returns an empty chunk with dirty slabs, or else the dirtiest of the next LOOK_CHUNKS chunks, or NULL if none of them is
 * worth its system calls. */
static struct chunk *find_surplus_locked(void)
{
    static uint32_t rotor; /* under the lock */
    struct chunk *best = chunk_dirty_and_empty_locked(), *chunk;
    int most = 0;
    for (unsigned i = 0; !best && i < LOOK_CHUNKS; i++) {
        chunk = registry_chunk_at(rotor);
        rotor = chunk ? rotor + 1 : 0;
        if (!chunk || chunk_kind(chunk) != CHUNK_SLABS || chunk->best_run == NO_RUN || chunk->is_purging)
            continue;
        int dirty = __builtin_popcount(chunk->dirty_mask);
        int runs = __builtin_popcount(chunk->dirty_mask & ~(chunk->dirty_mask << 1));
        if (dirty > most && dirty >= WORTH_SLABS * runs) {
            most = dirty;
            best = chunk;
        }
    }
    return best;
}

bool superslab_has_surplus(void)
{
    return dirty_slabs() > atomic_load_explicit(&superslab_shared.surplus_slabs, memory_order_relaxed);
}

void superslab_expect_less(void)
{
    if (dirty_slabs() <= UNEARNED_SLABS)
        return; /* kept in any case */
    lock_acquire(&superslab_shared.lock);
    retention_limit(&superslab_shared.retention, MOST_AFTER_THREADS_BYTES);
    atomic_store_explicit(&superslab_shared.surplus_slabs, retained_slabs(), memory_order_relaxed);
    lock_release(&superslab_shared.lock);
}

size_t superslab_give_surplus(const struct actor *actor, uint32_t now_ms)
{
    size_t given = 0;
    struct chunk *chunk;
    if (SETTING(ss_purge_delay_ms) < 0)
        return 0;
    lock_acquire(&superslab_shared.lock);
    for (unsigned i = 0; i < SURPLUS_CHUNKS && dirty_slabs() > retained_slabs(); i++)
        if ((chunk = find_surplus_locked()) != NULL)
            given += purge_chunk_locked(actor, chunk);
    set_surplus_mark();
    lock_release(&superslab_shared.lock);
    if (given)
        retention_gave(&superslab_shared.retention, given, now_ms);
    return given;
}

/* ---- idle for ss.purge_delay_ms ----------------------------------------------------------------- */

size_t superslab_purge(const struct actor *actor, uint32_t now_ms, bool everything)
{
    int64_t delay_ms = SETTING(ss_purge_delay_ms);
    size_t purged = 0;
    struct chunk *chunk;
    lock_acquire(&superslab_shared.lock);
    for (uint32_t i = 0; (everything || delay_ms >= 0) && (chunk = registry_chunk_at(i)) != NULL; i++) {
        if (chunk_kind(chunk) != CHUNK_SLABS || chunk->best_run == NO_RUN || chunk->is_purging)
            continue;
        bool surplus = chunk->tier == TIER_FREE && superslab_shared.tier_counts[TIER_FREE] > (uint32_t)SETTING(ss_retain_chunks);
        bool due = everything || (int32_t)(now_ms - chunk->idle_since_ms) >= (int32_t)delay_ms;
        if (due && (chunk->dirty_mask || surplus))
            purged += purge_chunk_locked(actor, chunk);
    }
    retention_was_too_much(&superslab_shared.retention, purged);
    set_surplus_mark();
    lock_release(&superslab_shared.lock);
    return purged;
}
