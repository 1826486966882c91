/* superslab.c: finds spans of slabs and takes them back. */
#include "superslab.h"

#include "clock.h"
#include "events.h"
#include "frames.h"
#include "integrity.h"
#include "lock.h"
#include "settings.h"
#include "slab_runs.h"
#include "superslab_lists.h"
#include "size_class.h"
#include "telemetry.h"

#define HINT_COUNT (SIZE_CLASS_COUNT + RUN_ORDERS)
/* Less than elsewhere: threads that come and go in rounds need the same slabs again, and each round that misses them costs
 * page faults. */
#define SLABS_DOUBT (RETENTION_DOUBT / 2)

_Alignas(CACHE_LINE) _Atomic uint16_t *class_of_slab[MAX_HEAPS];

bool superslab_start(void)
{
    for (unsigned heap = 0; heap < range_heap_count(); heap++)
        class_of_slab[heap] = range_table(RANGE_CLASS_OF_SLAB + heap);
    return true;
}

/* Takes the slabs [first, first + 2^order), which must be free, from a chunk. */
static void take_run_locked(const struct actor *actor, struct chunk *chunk, unsigned first, unsigned order)
{
    uint32_t taken = run_mask(order, first);
    HAK_ASSERT((chunk->free_mask & taken) == taken);
    int dirty_slabs = __builtin_popcount(taken & chunk->dirty_mask), fresh_slabs = __builtin_popcount(taken) - dirty_slabs;
    superslab_add_committed(fresh_slabs);
    superslab_count_dirty_locked(-dirty_slabs);
    if (fresh_slabs && retention_has_given(&superslab_shared.retention))
        retention_missed(&superslab_shared.retention, (uint64_t)fresh_slabs * SLAB_BYTES, SLABS_DOUBT,
                         clock_now_ms(actor));
    chunk_unlist_locked(chunk);
    chunk->free_mask &= ~taken;
    chunk->dirty_mask &= ~taken;
    if (chunk->tier == TIER_FREE)
        chunk_set_tier_locked(actor, chunk, TIER_HOT, CAUSE_NONE);
    chunk_list_locked(chunk);
    telemetry_add(&telemetry->global.busy_slabs, 1u << order);
}

/* What one acquisition looks for, and the stage that found it. */
struct search {
    unsigned order, hint; /* hint: index into last_released and last_served */
    unsigned room_order;  /* order of the free run whose start is wanted: above `order` if the span is to grow */
    enum acquire_stage stage;
    uint32_t scanned[ACQUIRE_STAGE_COUNT];
};

/* For each size class and each order of L2.5: the span that was released last, and the chunk that served last. Both are
 * hints. Descriptors are never unmapped, so a look at one tells whether the hint is still true. */
static struct slab *last_released[HINT_COUNT];
static struct chunk *last_served[HINT_COUNT];

static unsigned hint_of(enum slab_state state, unsigned class_index)
{
    return state == SLAB_CLASS ? class_index : SIZE_CLASS_COUNT + class_index;
}

static bool may_serve(const struct chunk *chunk, unsigned order)
{
    return chunk_kind(chunk) == CHUNK_SLABS && chunk->tier != TIER_DRAINING && chunk->best_run != NO_RUN &&
           chunk->best_run >= order;
}

static struct slab *take_last_locked(const struct actor *actor, struct search *search)
{
    struct slab *slab = last_released[search->hint];
    if (!slab || !SETTING(ss_empty_reuse))
        return NULL;
    search->scanned[ACQUIRE_LAST]++;
    last_released[search->hint] = NULL;
    struct chunk *chunk = slab_chunk(slab);
    if (slab->index & ((1u << search->order) - 1))
        return NULL; /* the rest of a longer span starts where no span of this order may start */
    uint32_t run = run_mask(search->order, slab->index);
    if (!may_serve(chunk, search->order) || (chunk->dirty_mask & run) != run)
        return NULL;
    search->stage = ACQUIRE_LAST;
    slab->is_zeroed = false;
    take_run_locked(actor, chunk, slab->index, search->order);
    return slab;
}

/* Takes a span from the chunk; if ss.empty_reuse is on, rather one of recycled slabs. */
static struct slab *take_from_locked(const struct actor *actor, struct search *search, struct chunk *chunk)
{
    uint32_t candidates = SETTING(ss_empty_reuse) ? runs_in(chunk->dirty_mask, search->room_order) : 0;
    if (candidates)
        search->stage = search->stage == ACQUIRE_NEW ? ACQUIRE_NEW : ACQUIRE_RECYCLED;
    else
        candidates = runs_in(chunk->free_mask, search->room_order);
    unsigned first = (unsigned)__builtin_ctz(candidates);
    struct slab *slab = &chunk->slabs[first];
    slab->is_zeroed = (chunk->dirty_mask & run_mask(search->order, first)) == 0;
    take_run_locked(actor, chunk, first, search->order);
    last_served[search->hint] = chunk;
    return slab;
}

/* Returns the first chunk with enough recycled slabs among ss.empty_scan_limit HOT chunks, starting with the tightest. */
static struct chunk *find_recycled_locked(struct search *search)
{
    uint32_t *scanned = &search->scanned[ACQUIRE_RECYCLED], limit = (uint32_t)SETTING(ss_empty_scan_limit);
    for (unsigned run = search->room_order; SETTING(ss_empty_reuse) && run < RUN_ORDERS; run++)
        for (struct chunk *chunk = chunk_lists[TIER_HOT][run]; chunk && *scanned < limit; chunk = chunk->next, ++*scanned)
            if (chunk->dirty_mask && runs_in(chunk->dirty_mask, search->room_order))
                return ++*scanned, chunk;
    return NULL;
}

static struct chunk *find_hinted_locked(struct search *search)
{
    struct chunk *chunk = last_served[search->hint];
    search->scanned[ACQUIRE_HINT] += chunk != NULL;
    return chunk && chunk->tier == TIER_HOT && may_serve(chunk, search->order) ? chunk : NULL;
}

/* Returns the tightest chunk of a tier that has room for the span. */
static struct chunk *find_tightest_locked(enum tier tier, struct search *search)
{
    for (unsigned run = search->room_order; run < RUN_ORDERS; run++) {
        search->scanned[ACQUIRE_MASK]++;
        if (chunk_lists[tier][run])
            return chunk_lists[tier][run];
    }
    return NULL;
}

static struct chunk *fullest_draining_locked(unsigned order)
{
    struct chunk *fullest = NULL;
    for (unsigned run = order; run < RUN_ORDERS; run++)
        for (struct chunk *chunk = chunk_lists[TIER_DRAINING][run]; chunk; chunk = chunk->next)
            if (!fullest || chunk_busy_slabs(chunk) > chunk_busy_slabs(fullest))
                fullest = chunk;
    return fullest;
}

/* Tries one stage after another, the cheapest first. Returns NULL if a new chunk is needed. */
static struct slab *find_locked(const struct actor *actor, struct search *search)
{
    struct slab *slab = take_last_locked(actor, search);
    if (slab)
        return slab;
    struct chunk *chunk = find_recycled_locked(search);
    search->stage = ACQUIRE_HINT;
    if (!chunk)
        chunk = find_hinted_locked(search);
    if (!chunk) {
        search->stage = ACQUIRE_MASK;
        chunk = find_tightest_locked(TIER_HOT, search);
    }
    if (!chunk)
        chunk = find_tightest_locked(TIER_FREE, search);
    if (!chunk && (chunk = fullest_draining_locked(search->order)) != NULL) {
        chunk_unlist_locked(chunk);
        chunk_set_tier_locked(actor, chunk, TIER_HOT, CAUSE_PRESSURE);
        chunk_list_locked(chunk);
    }
    return chunk ? take_from_locked(actor, search, chunk) : NULL;
}

/* Finds a span that can grow into the rest of a longer free run, in HOT and FREE chunks. */
static struct slab *find_with_room_locked(const struct actor *actor, struct search *search)
{
    search->stage = ACQUIRE_MASK;
    struct chunk *chunk = find_recycled_locked(search);
    if (!chunk)
        chunk = find_tightest_locked(TIER_HOT, search);
    if (!chunk)
        chunk = find_tightest_locked(TIER_FREE, search);
    return chunk ? take_from_locked(actor, search, chunk) : NULL;
}

/* Called with the lock held, and releases it while the chunk is mapped. */
static struct slab *take_from_new_chunk_locked(const struct actor *actor, struct search *search)
{
    uint32_t limit = (uint32_t)SETTING(ss_max_chunks), count = superslab_chunk_count_locked();
    if (limit && count >= limit)
        return NULL;
    lock_release(&superslab_shared.lock);
    struct chunk *chunk = superslab_map_chunk(actor, search->hint < SIZE_CLASS_COUNT);
    lock_acquire(&superslab_shared.lock);
    if (!chunk)
        return NULL;
    chunk_set_kind(chunk, CHUNK_SLABS);
    count = superslab_chunk_count_locked();
    superslab_shared.tier_counts[TIER_HOT]++;
    superslab_count_dirty_locked(__builtin_popcount(chunk->dirty_mask));
    telemetry_set(&telemetry->tiers[TIER_HOT].chunks, superslab_shared.tier_counts[TIER_HOT]);
    chunk_list_locked(chunk);
    event_append(actor, EVENT_SS_EXPAND, CAUSE_NONE, NO_ITEM, count, count + 1.0);
    search->stage = ACQUIRE_NEW;
    return take_from_locked(actor, search, chunk);
}

static void count_acquisition(const struct search *search)
{
    struct telemetry_global *global = &telemetry->global;
    _Atomic uint64_t *const acquired[ACQUIRE_STAGE_COUNT] = {
        [ACQUIRE_LAST] = &global->acquired_last, [ACQUIRE_RECYCLED] = &global->acquired_recycled,
        [ACQUIRE_HINT] = &global->acquired_hint, [ACQUIRE_MASK] = &global->acquired_mask,
        [ACQUIRE_NEW] = &global->acquired_new};
    _Atomic uint64_t *const scanned[ACQUIRE_NEW] = {
        [ACQUIRE_LAST] = &global->scanned_last, [ACQUIRE_RECYCLED] = &global->scanned_recycled,
        [ACQUIRE_HINT] = &global->scanned_hint, [ACQUIRE_MASK] = &global->scanned_mask};
    telemetry_add(acquired[search->stage], 1);
    for (unsigned stage = 0; stage < ACQUIRE_NEW; stage++)
        if (search->scanned[stage])
            telemetry_add(scanned[stage], search->scanned[stage]);
}

static struct slab *find_slab(const struct actor *actor, struct search *search)
{
    lock_acquire(&superslab_shared.lock);
    struct slab *slab = search->room_order > search->order ? find_with_room_locked(actor, search) : NULL;
    search->room_order = search->order;
    if (!slab)
        slab = find_locked(actor, search);
    if (!slab)
        slab = take_from_new_chunk_locked(actor, search);
    uint32_t reused_slabs = 0;
    if (slab && search->stage <= ACQUIRE_RECYCLED)
        reused_slabs = event_sum_add(&superslab_shared.reused_slabs, actor, 1u << search->order);
    lock_release(&superslab_shared.lock);
    if (reused_slabs)
        event_append(actor, EVENT_SS_REUSE, CAUSE_NONE, NO_ITEM, 0, reused_slabs);
    if (slab)
        count_acquisition(search);
    return slab;
}

static void set_class_of_slabs(struct chunk *chunk, const struct slab *slab, uint16_t own_key, uint16_t foreign_key)
{
    if (!chunk->in_range)
        return;
    size_t first = range_offset(chunk->base) / SLAB_BYTES + slab->index;
    for (unsigned heap = 0; heap < range_heap_count(); heap++)
        for (unsigned i = 0; i < slab->span_slabs; i++)
            atomic_store_explicit(&class_of_slab[heap][first + i], heap == slab->heap ? own_key : foreign_key,
                                  memory_order_relaxed);
}

void superslab_hide_class(struct slab *slab)
{
    set_class_of_slabs(slab_chunk(slab), slab, NO_CLASS_KEY, NO_CLASS_KEY);
}

struct slab *superslab_acquire(const struct actor *actor, unsigned span_slabs, enum slab_state state,
                               unsigned class_index, unsigned heap)
{
    return superslab_acquire_with_room(actor, span_slabs, span_slabs, state, class_index, heap);
}

struct slab *superslab_acquire_with_room(const struct actor *actor, unsigned span_slabs, unsigned room_slabs,
                                         enum slab_state state, unsigned class_index, unsigned heap)
{
    struct search search = {
        .order = log2_floor(span_slabs), .hint = hint_of(state, class_index), .room_order = log2_floor(room_slabs)};
    struct slab *slab = find_slab(actor, &search);
    if (!slab)
        return NULL;
    HAK_ASSERT(atomic_load_explicit(&slab->remote_count, memory_order_relaxed) == 0);
    slab->free_count = slab->first_word = 0;
    slab->used = slab->bump = 0;
    slab->next = slab->previous = NULL;
    slab->list = SLAB_UNLISTED;
    slab->activity = SLAB_TOUCHED;
    slab->purged_pages = 0;
    atomic_store_explicit(&slab->is_altered, 0, memory_order_relaxed);
    slab->class_index = (uint8_t)class_index;
    slab->span_slabs = (uint8_t)span_slabs;
    slab->head_offset = 0;
    slab->heap = (uint8_t)heap;
    for (unsigned i = 1; i < span_slabs; i++) {
        slab[i].state = SLAB_INTERIOR;
        slab[i].head_offset = (uint8_t)i;
    }
    slab->state = (uint8_t)state;
    if (state == SLAB_CLASS && heap < range_heap_count()) /* not those of sampled blocks */
        set_class_of_slabs(slab_chunk(slab), slab, class_key(class_index),
                           class_index < OUTBOX_COUNT ? outbox_key(class_index) : class_key(class_index));
    event_log_acquire(search.stage, state == SLAB_CLASS ? class_index : NO_ITEM, slab_chunk(slab)->base, slab->index);
    return slab;
}

static void release(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms, bool may_demote)
{
    struct chunk *chunk = slab_chunk(slab);
    unsigned span_slabs = slab->span_slabs, hint = hint_of(slab->state, slab->class_index);
    if (slab->state == SLAB_CLASS) {
        set_class_of_slabs(chunk, slab, NO_CLASS_KEY, NO_CLASS_KEY);
        integrity_clear_slabs(chunk, slab->index, span_slabs);
    }
    for (unsigned i = 0; i < span_slabs; i++) {
        slab[i].state = SLAB_FREE;
        slab[i].head_offset = 0;
    }
    uint32_t freed = slabs_mask(slab->index, span_slabs);
    lock_acquire(&superslab_shared.lock);
    HAK_ASSERT((chunk->free_mask & freed) == 0);
    chunk_unlist_locked(chunk);
    chunk->free_mask |= freed;
    chunk->dirty_mask |= freed;
    superslab_count_dirty_locked((int)span_slabs);
    if (chunk->dirty_mask == freed || (int32_t)(idle_since_ms - chunk->idle_since_ms) > 0)
        chunk->idle_since_ms = idle_since_ms;
    last_released[hint] = slab;
    telemetry_add(&telemetry->global.busy_slabs, -(int64_t)span_slabs);
    if (!chunk->is_purging && may_demote)
        chunk_update_tier_locked(actor, chunk);
    chunk_list_locked(chunk);
    lock_release(&superslab_shared.lock);
}

void superslab_release(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms)
{
    release(actor, slab, idle_since_ms, true);
}

void superslab_release_rest(const struct actor *actor, struct slab *slab, uint32_t idle_since_ms)
{
    release(actor, slab, idle_since_ms, false);
}

bool superslab_is_valid(void)
{
    bool valid = true;
    uint32_t counts[TIER_COUNT] = {0}, dirty_slabs = 0;
    struct chunk *chunk;
    lock_acquire(&superslab_shared.lock);
    for (uint32_t i = 0; (chunk = registry_chunk_at(i)) != NULL; i++) {
        if (chunk_kind(chunk) != CHUNK_SLABS)
            continue;
        counts[chunk->tier]++;
        dirty_slabs += (uint32_t)__builtin_popcount(chunk->dirty_mask);
        if (chunk->is_purging)
            continue;
        valid &= (chunk->dirty_mask & ~chunk->free_mask) == 0;
        valid &= chunk->best_run == largest_run(chunk->free_mask);
        valid &= (chunk->tier == TIER_FREE) == (chunk->free_mask == FULL_MASK);
        valid &= registry_find(chunk->base) == chunk;
        for (unsigned slab = 0; slab < SLABS_PER_CHUNK; slab++)
            valid &= !(chunk->free_mask >> slab & 1) || chunk->slabs[slab].state == SLAB_FREE;
    }
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        for (unsigned run = 0; run < RUN_ORDERS; run++)
            for (chunk = chunk_lists[tier][run]; chunk; chunk = chunk->next)
                valid &= chunk->tier == tier && chunk->best_run == run;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        valid &= counts[tier] == superslab_shared.tier_counts[tier];
    valid &= dirty_slabs == atomic_load_explicit(&superslab_shared.dirty_slabs, memory_order_relaxed);
    lock_release(&superslab_shared.lock);
    return valid;
}

void superslab_acquire_locks(void)
{
    lock_acquire(&superslab_shared.lock);
    frames_acquire_locks();
    registry_acquire_locks();
    range_acquire_locks();
}

void superslab_release_locks(void)
{
    range_release_locks();
    registry_release_locks();
    frames_release_locks();
    lock_release(&superslab_shared.lock);
}

void superslab_reset_locks(void)
{
    lock_reset(&superslab_shared.lock);
    frames_reset_locks();
    registry_reset_locks();
    range_reset_locks();
}

void superslab_after_fork(void)
{
    struct chunk *chunk;
    for (uint32_t i = 0; (chunk = registry_chunk_at(i)) != NULL; i++) {
        if (chunk_kind(chunk) != CHUNK_SLABS || !chunk->is_purging)
            continue;
        chunk->is_purging = 0;
        chunk->free_mask |= chunk->claimed_mask;
        chunk->dirty_mask |= chunk->claimed_mask;
        superslab_count_dirty_locked(__builtin_popcount(chunk->claimed_mask));
        chunk_update_tier_locked(NULL, chunk);
        chunk_list_locked(chunk);
    }
}
