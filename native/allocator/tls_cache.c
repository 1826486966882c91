/* tls_cache.c: decisions, refills and flushes of a thread's bins. */
#include "tls_cache.h"

#include "bin_limits.h"
#include "bin_marks.h"
#include "central.h"
#include "clock.h"
#include "control.h"
#include "events.h"
#include "ghosts.h"
#include "integrity.h"
#include "magazine.h"
#include "os.h"
#include "sampler.h"
#include "settings.h"
#include "superslab.h"

#include <string.h>

#define OPERATIONS_PER_LOOK 512 /* the cache looks at the clock after at most so many */

_Alignas(SMALLEST_PAGE_BYTES) struct tls_cache tls_cache_none;
__thread struct tls_cache *tls_cache __attribute__((tls_model("initial-exec"))) = &tls_cache_none;
__thread struct tls_cache *derived_cache __attribute__((tls_model("initial-exec"))) = &tls_cache_none;

static struct telemetry_thread_class *row_of(struct tls_cache *cache, const struct bin *bin)
{
    return &cache->row->classes[bin->class_index];
}

static void publish_fill(struct tls_cache *cache, const struct bin *bin)
{
    tls_cache_publish_held(cache, bin->class_index);
}

/* Counts the pops since the last call, and grants the next ones. Returns how many are left before the next sample; 0: the
 * last one may be due. */
static inline uint32_t account(struct tls_cache *cache, struct bin *bin)
{
    struct telemetry_thread *row = cache->row;
    unsigned class_index = bin->class_index;
    uint32_t allocations = bin->granted - bin->countdown;
    uint64_t sum = telemetry_get(&row->classes[class_index].allocations) + allocations;
    uint64_t operations = cache->actor.operations + allocations;
    uint32_t left = cache->sample_at[class_index] - (uint32_t)sum;
    bin->countdown = bin->granted = left - 1 < cache->grant ? left : cache->grant;
    cache->actor.operations = operations;
    telemetry_set(&row->classes[class_index].allocations, sum);
    telemetry_set(&row->operations, operations);
    cache->is_active[class_index] |= allocations != 0;
    return left;
}

/* Puts floor and limit where the bin, or one of its ghosts, next has something to note. */
static void mark(struct tls_cache *cache, struct bin *bin)
{
    set_marks(bin);
    ghosts_mark(cache, bin);
}

static void begin_period(struct tls_cache *cache, struct bin *bin)
{
    start_period(bin);
    cache->decided_at[bin->class_index] = ghost_clock(cache, bin);
    mark(cache, bin);
}

static void flush_bin(struct tls_cache *cache, struct bin *bin, uint32_t count)
{
    struct telemetry_thread_class *row = row_of(cache, bin);
    uint32_t fill = (uint32_t)fill_of(bin);
    if (UNLIKELY(cache->check_level >= 2)) {
        uint32_t kept = integrity_check_bin(&cache->actor, cache->check_level, bin->class_index, bin->base, fill, count);
        bin->top = bin->base + kept;
        bin->adjust -= fill - kept;
        fill = kept;
        count = count < kept ? count : kept;
    }
    /* The blocks at the bottom of the stack leave: they have not been used for the longest time. */
    unsigned limit = MAGAZINE_BINS * (bin->capacity < TLS_MOST_SLOTS ? bin->capacity : TLS_MOST_SLOTS);
    if (UNLIKELY(cache->goes_home)) {
        central_give_home(&cache->actor, bin->class_index, bin->base, count);
    } else {
        unsigned left = magazine_put(cache->heap, bin->class_index, bin->base, count, limit);
        if (left)
            central_give(&cache->actor, row, cache->heap, bin->class_index, bin->base, left);
    }
    memmove(bin->base, bin->base + count, (fill - count) * sizeof *bin->base);
    bin->top -= count;
    bin->adjust -= count;
    telemetry_bump(&row->flushes, 1);
    telemetry_bump(&row->flushed, count);
    cache->is_maintenance_due |= SETTING(ss_purge_delay_ms) == 0 || superslab_has_surplus();
    mark(cache, bin);
}

/* Gives all blocks of a bin back, for a reason that does not depend on its capacity. */
static void empty_bin(struct tls_cache *cache, struct bin *bin)
{
    ghosts_flush(cache, bin);
    if (fill_of(bin))
        flush_bin(cache, bin, (uint32_t)fill_of(bin));
    else
        mark(cache, bin); /* the marks of its ghosts have moved */
}

/* Returns the array for a bin of `capacity` slots, or NULL if there is no memory for the large slots. */
static void **slots_for(struct tls_cache *cache, const struct bin *bin, uint32_t capacity)
{
    bool is_small = capacity <= BIN_SMALL_SLOTS;
    void ***slots = &(is_small ? cache->small_slots_of : cache->large_slots)[bin - cache->bins];
    if (!*slots)
        *slots = is_small ? cache->small_slots[cache->small_slots_taken++] : os_map(sizeof(void *) * TLS_MOST_SLOTS);
    return *slots;
}

static void resize_bin(struct tls_cache *cache, struct bin *bin, uint32_t capacity, enum event_cause cause)
{
    uint32_t old_capacity = bin->capacity;
    if (capacity == old_capacity)
        return;
    if (fill_of(bin) > (int32_t)capacity)
        flush_bin(cache, bin, (uint32_t)fill_of(bin) - capacity);
    void **slots = slots_for(cache, bin, capacity);
    if (!slots)
        return;
    if (slots != bin->base) {
        int32_t fill = fill_of(bin);
        memcpy(slots, bin->base, (size_t)fill * sizeof *slots);
        bin->base = slots;
        bin->top = slots + fill;
    }
    bin->capacity = capacity;
    bin->is_keep_told = 0;
    telemetry_set(&row_of(cache, bin)->capacity, capacity);
    enum event_kind kind = bin->class_index >= TINY_CLASS_COUNT ? EVENT_RING_RESIZE
                           : capacity > old_capacity            ? EVENT_TLS_GROW
                                                                : EVENT_TLS_SHRINK;
    event_append(&cache->actor, kind, cause, bin->class_index, old_capacity, capacity);
    ghosts_resize(cache, bin);
}

/* A busy bin decides thousands of times a second. If each decision were told, no other event would stay in the ring. */
static void tell_keep(struct tls_cache *cache, struct bin *bin, int64_t usage_percent)
{
    if (bin->is_keep_told)
        return;
    bin->is_keep_told = 1;
    event_append_detail(&cache->actor, EVENT_TLS_KEEP, CAUSE_USAGE, bin->class_index, bin->capacity, bin->capacity,
                        (uint32_t)usage_percent);
}

/* Grows, shrinks or keeps a bin by what was noted since the last decision. */
static void decide(struct tls_cache *cache, struct bin *bin)
{
    struct limits limits = class_limits(bin->class_index);
    struct bin_usage usage = {.swing = swing_of(bin),
                              .exchanges = bin->exchanges,
                              .allocations = ghost_clock(cache, bin) - cache->decided_at[bin->class_index],
                              .is_one_way = is_one_way(bin)};
    uint32_t wanted = threshold_capacity(&limits, bin->capacity, &usage);
    enum event_cause cause = usage.is_one_way && wanted < bin->capacity && bin->capacity > one_way_maximum(&limits)
                                 ? CAUSE_ONE_WAY
                                 : CAUSE_USAGE;
    telemetry_bump(&row_of(cache, bin)->decisions, 1);
    telemetry_set(&row_of(cache, bin)->high_water, (uint64_t)clamp_int64((int32_t)(bin->high + bin->adjust), 0, bin->capacity));
    wanted = marginal_decide(cache, bin, &limits, wanted);
    if (!SETTING(tls_adaptive))
        resize_bin(cache, bin, limits.initial, CAUSE_TUNABLE);
    else if (wanted != bin->capacity)
        resize_bin(cache, bin, wanted, cause);
    else if (bin->exchanges)
        tell_keep(cache, bin, (int64_t)swing_of(bin) * 100 / (bin->capacity ? bin->capacity : 1));
    begin_period(cache, bin);
    publish_fill(cache, bin);
}

static void count_exchange(struct tls_cache *cache, struct bin *bin, bool is_flush)
{
    bin->flushes += is_flush;
    if (++bin->exchanges >= SETTING(tls_adapt_refills))
        decide(cache, bin);
}

static bool is_used(const struct bin *bin)
{
    return bin->base != NULL;
}

/* Brings every bin in use in line with the newest settings. */
static void adopt(struct tls_cache *cache)
{
    uint64_t generation = control_adopt(&cache->actor);
    if (generation == cache->generation) {
        cache->is_maintenance_due |= !os_is_confined(); /* a lease waits for the purging thread, which upkeep starts */
        return;
    }
    cache->generation = generation;
    tls_cache_adopt_route(cache);
    ghosts_switch(cache);
    sampler_switch(cache, false);
    cache->goes_home = cache->drains != control_asked(ACTION_drain);
    if (cache->goes_home)
        tls_cache_flush_outboxes(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        struct bin *bin = &cache->bins[i];
        if (!is_used(bin))
            continue;
        struct limits limits = class_limits(bin->class_index);
        uint32_t capacity = SETTING(tls_adaptive)
                                ? (uint32_t)clamp_int64(bin->capacity, limits.minimum, limits.maximum)
                                : limits.initial;
        resize_bin(cache, bin, capacity, CAUSE_TUNABLE);
        if (cache->goes_home)
            empty_bin(cache, bin);
        begin_period(cache, bin);
        publish_fill(cache, bin);
    }
    cache->goes_home = 0;
    cache->drains = control_asked(ACTION_drain);
    telemetry_set(&cache->row->adopted, generation);
    event_append(&cache->actor, EVENT_TUNABLE_ADOPT, CAUSE_TUNABLE, NO_ITEM, 0, (double)generation);
    cache->is_maintenance_due = 1;
}

/* Whether regular upkeep is worth its time and the pages of its code: for free memory, for events to print, or for a lease that
 * may have lapsed in a process that confined itself, and so has no purging thread. */
static bool has_upkeep(void)
{
    uint64_t used_bytes = telemetry_get(&telemetry->global.handed_out_bytes) + UPKEEP_BYTES;
    return telemetry_get(&telemetry->global.committed_bytes) >= used_bytes || SETTING(log_capacity) || os_is_confined();
}

static void look_at_clock(struct tls_cache *cache)
{
    tls_cache_see_range(cache);
    cache->next_look = cache->actor.operations + OPERATIONS_PER_LOOK;
    int64_t period_ms = SETTING(tls_adapt_ms);
    uint32_t now_ms = clock_now_ms(&cache->actor);
    if ((int32_t)(now_ms - cache->last_maintenance_ms) >= MAINTENANCE_PERIOD_MS) {
        cache->last_maintenance_ms = now_ms;
        cache->is_maintenance_due |= has_upkeep();
    }
    if (period_ms == 0 || (int32_t)(now_ms - cache->last_sweep_ms) < (int32_t)period_ms)
        return;
    cache->last_sweep_ms = now_ms;
    tls_cache_flush_outboxes(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        if (!is_used(&cache->bins[i]))
            continue;
        cache->bins[i].is_keep_told = 0;
        ghosts_decide(cache, &cache->bins[i]);
    }
    marginal_share(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++)
        if (is_used(&cache->bins[i]))
            decide(cache, &cache->bins[i]);
}

static void look_around(struct tls_cache *cache)
{
    if (UNLIKELY(control_generation() != cache->generation))
        adopt(cache);
    if (cache->actor.operations >= cache->next_look)
        look_at_clock(cache);
}

/* Called while the thread takes more and more slabs. Bins that it has not allocated from since the last call give back
 * their blocks, and so do idle magazines. Then slabs become empty and serve again before more memory is taken: a free
 * block in a cache keeps its slab from other classes just as a block in use does. */
static void reclaim_idle(struct tls_cache *cache, const struct bin *growing)
{
    cache->fresh_slabs = 0;
    tls_cache_flush_outboxes(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        struct bin *bin = &cache->bins[i];
        if (!is_used(bin))
            continue;
        account(cache, bin);
        if (!cache->is_active[i] && bin != growing)
            empty_bin(cache, bin);
        publish_fill(cache, bin);
    }
    memset(cache->is_active, 0, sizeof cache->is_active);
    magazine_age(&cache->actor, false);
    central_purge_sparse(&cache->actor);
}

static NOINLINE bool refill(struct tls_cache *cache, struct bin *bin)
{
    struct telemetry_thread_class *row = row_of(cache, bin);
    telemetry_bump(&row->misses, 1);
    if ((int32_t)(position_of(bin) - bin->low) < 0)
        bin->low = position_of(bin);
    count_exchange(cache, bin, false);
    look_at_clock(cache);
    unsigned wanted = refill_blocks(bin->class_index, bin->capacity, telemetry_get(&row->refills));
    unsigned got = magazine_take(cache->heap, bin->class_index, bin->base, wanted);
    telemetry_bump(&row->from_magazine, got);
    if (!got)
        got = central_take(&cache->actor, row, cache->heap, bin->class_index, bin->base, wanted,
                           &cache->fresh_slabs);
    integrity_forget(bin->base, got);
    bin->top = bin->base + got;
    bin->adjust += got;
    telemetry_bump(&row->refills, 1);
    telemetry_bump(&row->filled, got);
    mark(cache, bin);
    if (cache->fresh_slabs >= SETTING(tls_reclaim_slabs) && SETTING(tls_reclaim_slabs))
        reclaim_idle(cache, bin);
    return got > 0;
}

/* One more bin is in use, so all bins get a smaller grant. The callers compare the generation next. */
static void share_out_grants(struct tls_cache *cache)
{
    cache->grant = ALLOCATIONS_PER_LOOK / cache->used_bins;
    for (unsigned i = 0; i < BIN_COUNT; i++)
        if (is_used(&cache->bins[i]) && cache->bins[i].granted > cache->grant)
            account(cache, &cache->bins[i]);
}

/* Called at the thread's first use of a class, so that threads that never use a class pay nothing for it. */
static NOINLINE void open_bin(struct tls_cache *cache, struct bin *bin)
{
    bin->class_index = (uint8_t)(bin - cache->bins);
    uint32_t capacity = class_limits(bin->class_index).initial;
    void **slots = slots_for(cache, bin, capacity);
    if (!slots) {
        capacity = BIN_SMALL_SLOTS;
        slots = slots_for(cache, bin, capacity);
    }
    bin->base = bin->top = slots;
    bin->capacity = capacity;
    bin->countdown = bin->granted = 1;
    cache->used_bins++;
    share_out_grants(cache);
    telemetry_set(&row_of(cache, bin)->capacity, capacity);
    ghosts_open(cache, bin);
    begin_period(cache, bin);
}

/* Gives a bin's blocks back and leaves it as if it had never been used. */
static uint32_t close_bin(struct tls_cache *cache, struct bin *bin)
{
    uint32_t fill = (uint32_t)fill_of(bin);
    account(cache, bin);
    empty_bin(cache, bin);
    ghosts_close(cache, bin);
    publish_fill(cache, bin);
    telemetry_set(&row_of(cache, bin)->capacity, 0);
    bin->base = bin->top = bin->floor = bin->limit = NULL;
    bin->capacity = 0;
    cache->used_bins--;
    return fill;
}

static void prewarm_bin(struct tls_cache *cache, struct bin *bin, int64_t slots)
{
    open_bin(cache, bin);
    struct telemetry_thread_class *row = row_of(cache, bin);
    unsigned wanted = (unsigned)clamp_int64(slots, 0, bin->capacity);
    unsigned got = central_take(&cache->actor, row, cache->heap, bin->class_index, bin->base, wanted,
                                &cache->fresh_slabs);
    integrity_forget(bin->base, got);
    bin->top += got;
    bin->adjust += got;
    telemetry_bump(&row->filled, got);
    begin_period(cache, bin);
    publish_fill(cache, bin);
}

static NOINLINE void note_low(struct tls_cache *cache, struct bin *bin, bool is_refilled)
{
    extend_low(bin, is_refilled);
    mark(cache, bin);
}

void *tls_cache_allocate(struct tls_cache *cache, unsigned class_index, size_t requested_bytes)
{
    struct bin *bin = &cache->bins[class_index];
    __asm__("" : "+r"(bin)); /* otherwise gcc computes it anew for each use */
    if (UNLIKELY(!is_used(bin)))
        open_bin(cache, bin);
    if (bin->countdown) /* if it is 0, the fast path has counted this allocation */
        bin->countdown--;
    if (UNLIKELY(account(cache, bin) == 0)) {
        void *sampled = sampler_allocate(cache, bin, requested_bytes);
        if (sampled) {
            look_around(cache);
            return sampled;
        }
    }
    look_around(cache);
    bool is_empty = bin->top == bin->base;
    if (is_empty && !refill(cache, bin))
        return NULL;
    ghosts_see_pop(cache, bin); /* after the refill, which may let all ghosts decide */
    if (is_at_low(bin))
        note_low(cache, bin, is_empty);
    HAK_ASSERT(bin->top > bin->floor);
    if (UNLIKELY(bin->top <= bin->floor)) /* beyond it no mark would ever be met, and the bin would be passed */
        bin->floor = bin->top - 1;
    void *block = bin_pop(bin);
    if (UNLIKELY(cache->check_level >= 3))
        integrity_forget(&block, 1);
    publish_fill(cache, bin);
    return block;
}

void tls_cache_free(struct tls_cache *cache, unsigned class_index, void *block)
{
    struct bin *bin = &cache->bins[class_index];
    if (UNLIKELY(!is_used(bin)))
        open_bin(cache, bin);
    account(cache, bin);
    uint8_t former_level = cache->check_level;
    look_around(cache);
    if (UNLIKELY(former_level != cache->check_level))
        integrity_forget(&block, 1); /* level 3 noted it as free, and was left just now, like the blocks in the bins */
    ghosts_push(cache, bin);
    if (fill_of(bin) >= (int32_t)bin->capacity) {
        if ((int32_t)(position_of(bin) - bin->high) > 0)
            bin->high = position_of(bin);
        count_exchange(cache, bin, true);
        if (bin->capacity == 0) {
            /* The thread's path goes on, and what the bin has noted of it goes along: a bin without slots has no swing. */
            bin->adjust--;
            bin->low++;
            bin->high++;
            if (LIKELY(cache->check_level < 2) ||
                integrity_check_bin(&cache->actor, cache->check_level, class_index, &block, 1, 1))
                central_give(&cache->actor, row_of(cache, bin), cache->heap, class_index, &block, 1);
            return;
        }
        if (fill_of(bin) >= (int32_t)bin->capacity)
            flush_bin(cache, bin, flush_blocks(bin->capacity, (uint32_t)fill_of(bin), swing_of(bin), bin->is_settled));
    }
    if (is_at_high(bin)) {
        extend_high(bin);
        mark(cache, bin);
    }
    HAK_ASSERT(bin->top < bin->limit);
    if (UNLIKELY(bin->top >= bin->limit)) /* likewise */
        bin->limit = bin->top + 1;
    bin_push(bin, block);
    publish_fill(cache, bin);
}

void tls_cache_poll(struct tls_cache *cache)
{
    cache->actor.operations++;
    telemetry_set(&cache->row->operations, cache->actor.operations);
    look_around(cache);
}

void tls_cache_publish(struct tls_cache *cache)
{
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        if (!is_used(&cache->bins[i]))
            continue;
        account(cache, &cache->bins[i]);
        publish_fill(cache, &cache->bins[i]);
    }
    for (unsigned class_index = 0; class_index < OUTBOX_COUNT; class_index++)
        tls_cache_publish_held(cache, class_index);
}

void tls_cache_look(struct tls_cache *cache)
{
    look_around(cache);
    look_at_clock(cache);
}

unsigned tls_cache_flush(struct tls_cache *cache)
{
    unsigned flushed = tls_cache_flush_outboxes(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++)
        if (is_used(&cache->bins[i]))
            flushed += close_bin(cache, &cache->bins[i]);
    return flushed;
}

void tls_cache_begin(struct tls_cache *cache)
{
    cache->generation = control_adopt(&cache->actor);
    cache->drains = control_asked(ACTION_drain);
    cache->check_level = 0;
    tls_cache_adopt_route(cache);
    ghosts_switch(cache);
    sampler_switch(cache, true);
    cache->used_bins = 0;
    cache->cached_bytes = 0;
    cache->last_sweep_ms = cache->last_maintenance_ms = clock_now_ms(&cache->actor);
    cache->next_look = OPERATIONS_PER_LOOK;
    telemetry_set(&cache->row->adopted, cache->generation);
    int64_t prewarm_slots = SETTING(tls_prewarm_slots);
    for (unsigned i = 0; prewarm_slots && i < BIN_COUNT; i++)
        prewarm_bin(cache, &cache->bins[i], prewarm_slots);
}
