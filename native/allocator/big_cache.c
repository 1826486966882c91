/* big_cache.c: which blocks the BigCache keeps, for how long, and how big blocks change their size. */
#include "big_cache.h"

#include "altered.h"
#include "big_ghosts.h"
#include "big_table.h"
#include "clock.h"
#include "events.h"
#include "lock.h"
#include "os.h"
#include "retention.h"
#include "settings.h"
#include "telemetry.h"

#include <string.h>

#define SHRINK_DIVISOR 8           /* buckets halve if the load is below an eighth of the one that doubles them */
#define SHRINK_DELAY_MS 1000       /* and has been so for this time, or for ss.purge_delay_ms if that is longer */
#define UNEARNED_BYTES (UINT64_C(8) << 20) /* idle bytes kept in any case (retention.h) */
#define SURPLUS_BLOCKS 8                   /* one free gives back at most so many blocks */
#define LARGE_PART 8                       /* a larger block than an eighth of the bytes in use must be earned */

/* Guards is_sparse and sparse_since_ms. No thread waits for it except before a fork, and only locks of stripes are taken
 * under it. */
static struct lock upkeep_lock;
static bool is_sparse; /* there were too many buckets at the last look */
static uint32_t sparse_since_ms;
static struct retention retention;
static _Atomic uint32_t idle_rotor; /* the stripe in which the next free looks for an idle entry */

static uint32_t most_buckets(void)
{
    return 1u << log2_floor((uint64_t)clamp_int64(SETTING(big_max_buckets), BIG_STRIPE_COUNT, BIG_MAX_BUCKETS));
}

static uint32_t initial_buckets(void)
{
    uint32_t buckets = 1u << log2_floor((uint64_t)clamp_int64(SETTING(big_initial_buckets), BIG_STRIPE_COUNT, BIG_MAX_BUCKETS));
    return buckets < most_buckets() ? buckets : most_buckets();
}

bool big_cache_start(void)
{
    return stripes_start(initial_buckets());
}

size_t big_cache_block_bytes(const struct chunk *chunk)
{
    return chunk->requested_bytes - chunk->color_bytes;
}

bool big_cache_is_at_user(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->big_state, memory_order_relaxed) == BIG_AT_USER;
}

/* ---- buckets ------------------------------------------------------------------------------------ */

static void set_buckets(const struct actor *actor, uint32_t former, uint32_t buckets, enum event_cause cause)
{
    if (stripes_set_buckets(former, buckets))
        event_append_detail(actor, EVENT_BIG_RESIZE, cause, NO_ITEM, former, buckets, stripes_entries());
}

static bool is_overfull(uint32_t buckets)
{
    return (uint64_t)stripes_entries() * REAL_UNIT > (uint64_t)SETTING(big_load_factor) * buckets;
}

static void grow_buckets(const struct actor *actor)
{
    uint32_t buckets;
    do {
        buckets = stripes_buckets();
        if (!is_overfull(buckets) || buckets >= most_buckets())
            return;
        set_buckets(actor, buckets, 2 * buckets, CAUSE_LOAD);
    } while (stripes_buckets() != buckets); /* ends as well if there is no memory for more buckets */
}

/* Halves the buckets once there have been far too many for a while, or at once if `everything`. */
static void shrink_buckets(const struct actor *actor, uint32_t now_ms, bool everything)
{
    if (!lock_try(&upkeep_lock))
        return;
    uint32_t buckets = stripes_buckets();
    bool was_sparse = is_sparse;
    is_sparse = buckets > initial_buckets() && !is_overfull(buckets / SHRINK_DIVISOR);
    int64_t delay_ms = SETTING(ss_purge_delay_ms);
    if (!was_sparse)
        sparse_since_ms = now_ms;
    int32_t sparse_ms = (int32_t)(now_ms - sparse_since_ms);
    if (is_sparse && (everything || sparse_ms < 0 || sparse_ms >= (delay_ms > SHRINK_DELAY_MS ? delay_ms : SHRINK_DELAY_MS))) {
        set_buckets(actor, buckets, buckets / 2, CAUSE_USAGE);
        sparse_since_ms = now_ms;
    }
    lock_release(&upkeep_lock);
}

/* ---- blocks that leave -------------------------------------------------------------------------- */

static void set_touched(struct chunk *chunk, size_t bytes)
{
    if (bytes != chunk->touched_bytes)
        telemetry_add(&telemetry->global.committed_bytes, (int64_t)bytes - (int64_t)chunk->touched_bytes);
    chunk->touched_bytes = bytes;
}

/* Unmaps a chunk that is in no list and whose block is not at the user. Returns the bytes given back. */
static size_t unmap(const struct actor *actor, struct chunk *chunk)
{
    size_t bytes = chunk->touched_bytes;
    telemetry_add(&telemetry->global.committed_bytes, -(int64_t)bytes);
    atomic_store_explicit(&chunk->big_state, BIG_NEITHER, memory_order_relaxed);
    superslab_unmap_big(actor, chunk);
    return bytes;
}

static void evict(const struct actor *actor, struct chunk *chunk)
{
    telemetry_add(&telemetry->global.big_evictions, 1);
    event_append(actor, EVENT_BIG_EVICT, CAUSE_LIMIT, NO_ITEM, 0, (double)chunk->touched_bytes);
    unmap(actor, chunk);
}

static void evict_to_limits(const struct actor *actor, uint32_t now_ms)
{
    struct chunk *chunk;
    while ((stripes_entries() > (uint64_t)SETTING(big_max_entries) ||
            stripes_bytes() > (uint64_t)SETTING(big_max_bytes)) &&
           (chunk = big_table_take_victim((int)SETTING(big_policy), now_ms)) != NULL)
        evict(actor, chunk);
}

/* How many bytes may be in use and idle together: the bytes in use and half as many, the unearned and the earned ones. */
static uint64_t retained_bytes(int64_t delay_ms)
{
    uint64_t most = (uint64_t)SETTING(big_max_bytes), live_bytes = telemetry_get(&telemetry->global.big_live_bytes);
    uint64_t bytes = retention_bytes(&retention, UNEARNED_BYTES + live_bytes + live_bytes / 2);
    return delay_ms < 0 || bytes > most ? most : bytes;
}

/* Whether a block is so large that it would be most of the idle memory that is kept. */
static bool is_too_large(size_t bytes)
{
    uint64_t unearned = UNEARNED_BYTES + telemetry_get(&telemetry->global.big_live_bytes) / LARGE_PART;
    return bytes > retention_bytes(&retention, unearned);
}

static void give_surplus(const struct actor *actor, int64_t delay_ms, uint32_t now_ms)
{
    struct chunk *chunk;
    for (unsigned i = 0; i < SURPLUS_BLOCKS && stripes_bytes() > retained_bytes(delay_ms); i++) {
        if ((chunk = big_table_take_victim((int)SETTING(big_policy), now_ms)) == NULL)
            return;
        retention_gave(&retention, chunk->touched_bytes, now_ms);
        unmap(actor, chunk);
    }
}

size_t big_cache_purge(const struct actor *actor, uint32_t now_ms, bool everything)
{
    int64_t delay_ms = everything ? INT64_MIN : SETTING(ss_purge_delay_ms);
    size_t bytes = 0;
    struct chunk *chunk;
    stripes_publish();
    if (delay_ms < 0 && !everything)
        return 0;
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        while ((chunk = big_table_take_idle(i, now_ms, delay_ms)) != NULL)
            bytes += unmap(actor, chunk);
    if (bytes)
        event_append(actor, EVENT_PURGE, CAUSE_IDLE, NO_ITEM, 0, (double)bytes);
    retention_was_too_much(&retention, bytes);
    shrink_buckets(actor, now_ms, everything);
    return bytes;
}

void big_cache_settings_changed(const struct actor *actor)
{
    uint32_t buckets;
    big_table_set_hash((int)SETTING(big_hash));
    while ((buckets = stripes_buckets()) > most_buckets())
        set_buckets(actor, buckets, most_buckets(), CAUSE_TUNABLE);
    grow_buckets(actor);
    evict_to_limits(actor, clock_now_ms(actor));
    big_ghosts_settings_changed();
}

/* ---- blocks at the user ------------------------------------------------------------------------- */

static void count_live(int64_t blocks, int64_t bytes)
{
    if (blocks)
        telemetry_add(&telemetry->global.big_live, blocks);
    telemetry_add(&telemetry->global.big_live_bytes, bytes);
    telemetry_add(&telemetry->global.handed_out_bytes, bytes);
}

static struct chunk *map_run(const struct actor *actor, size_t bytes, size_t alignment)
{
    struct chunk *chunk = superslab_map_big(actor, bytes, alignment);
    /* The memory that the cache keeps may be the memory that is missing. */
    if (!chunk && big_cache_purge(actor, clock_now_ms(actor), true))
        chunk = superslab_map_big(actor, bytes, alignment);
    if (!chunk)
        return NULL;
    chunk->touched_bytes = 0;
    chunk->requested_bytes = 0;
    chunk->uses = 0;
    return chunk;
}

/* At how many bytes from the chunk's start a block starts: on a line of the first page, if there is room for that. The
 * line depends on the frame's number alone, so that two runs of a program give the same one. The multiplier spreads
 * neighbours, whatever the distance between them. */
static uint32_t color_of(const struct chunk *chunk, size_t bytes, size_t alignment)
{
    uint32_t frame = (uint32_t)(range_offset(chunk->base) / CHUNK_BYTES);
    uint32_t color_bytes = (frame * UINT32_C(0x9e3779b1) >> 26) * CACHE_LINE;
    bool has_room = bytes + color_bytes <= (size_t)chunk->frames * CHUNK_BYTES;
    return alignment <= CACHE_LINE && has_room ? color_bytes : 0;
}

/* Hands the chunk's block out to the user. `bytes` counts from the chunk's start to the end of the block. */
static void *hand_out(struct chunk *chunk, uint32_t color_bytes, size_t bytes, uint64_t call_site)
{
    chunk->color_bytes = color_bytes;
    chunk->requested_bytes = bytes;
    chunk->call_site = call_site;
    if (bytes > chunk->touched_bytes)
        set_touched(chunk, bytes);
    atomic_store_explicit(&chunk->big_state, BIG_AT_USER, memory_order_relaxed);
    count_live(1, (int64_t)bytes);
    return big_block(chunk);
}

static bool is_reasonable(size_t bytes)
{
    return bytes <= SIZE_MAX / 4;
}

void *big_cache_allocate(const struct actor *actor, size_t bytes, size_t alignment, uint64_t call_site, bool *is_zeroed)
{
    if (!is_reasonable(bytes) || !is_reasonable(alignment))
        return NULL;
    bool is_same_site;
    size_t wanted = round_up(bytes ? bytes : 1, PAGE_BYTES);
    uint64_t frames = round_up(wanted, CHUNK_BYTES) / CHUNK_BYTES;
    telemetry_add(&telemetry->global.big_lookups, 1);
    struct big_request request = {
        .frames = (uint32_t)frames, .bytes = wanted, .alignment = alignment, .call_site = call_site};
    struct chunk *chunk = frames > UINT32_MAX / 2 ? NULL : big_table_take(&request, &is_same_site);
    *is_zeroed = chunk == NULL;
    if (chunk) {
        chunk->uses = is_same_site ? chunk->uses + 1 : 1;
        telemetry_add(is_same_site ? &telemetry->global.big_hits : &telemetry->global.big_class_hits, 1);
    } else {
        chunk = map_run(actor, wanted, alignment);
    }
    if (!chunk)
        return NULL;
    if (chunk->touched_bytes < wanted && retention_has_given(&retention))
        retention_missed(&retention, wanted - chunk->touched_bytes, is_too_large(wanted) ? RETENTION_DOUBT : 1,
                         clock_now_ms(actor));
    big_ghosts_take(actor, &request, chunk);
    uint32_t color_bytes = color_of(chunk, bytes, alignment);
    return hand_out(chunk, color_bytes, round_up((bytes ? bytes : 1) + color_bytes, PAGE_BYTES), call_site);
}

bool big_cache_free(const struct actor *actor, struct chunk *chunk)
{
    uint32_t expected = BIG_AT_USER;
    if (!atomic_compare_exchange_strong_explicit(&chunk->big_state, &expected, BIG_CACHED, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    int64_t delay_ms = SETTING(ss_purge_delay_ms);
    uint32_t now_ms = clock_now_ms(actor);
    count_live(-1, -(int64_t)chunk->requested_bytes);
    big_ghosts_give(chunk, now_ms);
    if (delay_ms == 0 || chunk_is_altered(chunk)) {
        unmap(actor, chunk);
        return true;
    }
    if (SETTING(big_max_entries) == 0 || chunk->touched_bytes > (uint64_t)SETTING(big_max_bytes)) {
        evict(actor, chunk); /* this block alone exceeds the limits, so no other block need leave */
        return true;
    }
    if (delay_ms > 0 && is_too_large(chunk->touched_bytes)) {
        retention_gave(&retention, chunk->touched_bytes, now_ms);
        unmap(actor, chunk);
        return true;
    }
    chunk->idle_since_ms = now_ms;
    big_table_insert(chunk);
    grow_buckets(actor);
    evict_to_limits(actor, now_ms);
    give_surplus(actor, delay_ms, now_ms);
    uint32_t stripe = atomic_load_explicit(&idle_rotor, memory_order_relaxed);
    atomic_store_explicit(&idle_rotor, stripe + 1, memory_order_relaxed); /* a lost step does no harm */
    struct chunk *idle = delay_ms > 0 ? big_table_take_idle(stripe, now_ms, delay_ms) : NULL;
    if (idle)
        unmap(actor, idle);
    return true;
}

/* ---- resizing ----------------------------------------------------------------------------------- */

static void set_requested(struct chunk *chunk, size_t bytes)
{
    count_live(0, (int64_t)bytes - (int64_t)chunk->requested_bytes);
    chunk->requested_bytes = bytes;
    if (bytes > chunk->touched_bytes)
        set_touched(chunk, bytes);
}

/* Splits the huge page in which a block is to end from now on. */
static void split_at(struct chunk *chunk, size_t bytes)
{
    char *end = chunk->base + bytes, *huge_page = (char *)((uintptr_t)end & ~(CHUNK_BYTES - 1));
    size_t huge_bytes = (size_t)atomic_load_explicit(&chunk->huge_frames, memory_order_relaxed) * CHUNK_BYTES;
    if (end == huge_page || bytes >= huge_bytes)
        return;
    os_split_huge_page(huge_page, end);
    chunk->is_patchwork = true;
}

static void *resize_in_place(struct chunk *chunk, size_t bytes)
{
    bool has_surplus = bytes < chunk->requested_bytes && chunk->touched_bytes - bytes >= BIG_SURPLUS_BYTES;
    if (has_surplus)
        split_at(chunk, bytes);
    if (has_surplus && os_purge(chunk->base + bytes, chunk->touched_bytes - bytes))
        set_touched(chunk, bytes);
    set_requested(chunk, bytes);
    return big_block(chunk);
}

/* Moves a run that the system does not move as a whole, frame by frame, because each frame is one mapping. */
static enum os_move move_by_frame(struct chunk *from, struct chunk *to)
{
    size_t done = 0, bytes = (size_t)from->frames * CHUNK_BYTES;
    enum os_move result = OS_MOVED;
    while (done < bytes && (result = os_move_pages(from->base + done, to->base + done, CHUNK_BYTES)) == OS_MOVED)
        done += CHUNK_BYTES;
    if (result != OS_MOVED) /* the frames that were moved are copied back, so that nothing has changed */
        memcpy(from->base, to->base, done < from->requested_bytes ? done : from->requested_bytes);
    return result;
}

static void *resize_by_moving(const struct actor *actor, struct chunk *chunk, size_t bytes)
{
    /* Set once a refused move has lost the target's address space (os.h): then moving is not tried again. Relaxed. */
    static _Atomic bool is_futile;
    if (!chunk->in_range || atomic_load_explicit(&is_futile, memory_order_relaxed))
        return NULL;
    struct chunk *target = map_run(actor, bytes, CHUNK_BYTES);
    if (!target)
        return NULL;
    enum os_move moved = OS_REFUSED;
    if (target->in_range && !chunk->is_patchwork)
        moved = os_move_pages(chunk->base, target->base, (size_t)chunk->frames * CHUNK_BYTES);
    target->is_patchwork = true;
    if (target->in_range && moved == OS_REFUSED)
        moved = move_by_frame(chunk, target);
    if (moved == OS_LOST) {
        atomic_store_explicit(&is_futile, true, memory_order_relaxed);
        return NULL; /* the target must never be used again, so it stays taken */
    }
    if (moved == OS_REFUSED) {
        unmap(actor, target);
        return NULL;
    }
    if (chunk->touched_bytes > target->touched_bytes)
        set_touched(target, chunk->touched_bytes);
    set_touched(chunk, 0);
    count_live(-1, -(int64_t)chunk->requested_bytes);
    memcpy(target->copied, chunk->copied, sizeof target->copied);
    return hand_out(target, chunk->color_bytes, bytes, chunk->call_site);
}

void *big_cache_resize(const struct actor *actor, struct chunk *chunk, size_t bytes)
{
    if (!is_reasonable(bytes) || !big_cache_is_at_user(chunk) || chunk_is_altered(chunk))
        return NULL;
    size_t wanted = round_up((bytes ? bytes : 1) + chunk->color_bytes, PAGE_BYTES);
    if (wanted <= (size_t)chunk->frames * CHUNK_BYTES)
        return resize_in_place(chunk, wanted);
    if (superslab_extend_big(chunk, wanted)) {
        set_requested(chunk, wanted);
        return big_block(chunk);
    }
    return resize_by_moving(actor, chunk, wanted);
}

void big_cache_leave(const struct actor *actor, struct chunk *chunk)
{
    unmap(actor, chunk);
}

/* ---- checks and fork ---------------------------------------------------------------------------- */

bool big_cache_is_valid(void)
{
    uint32_t buckets = stripes_buckets();
    return big_table_is_valid() && big_ghosts_is_valid() && buckets >= BIG_STRIPE_COUNT && buckets <= BIG_MAX_BUCKETS &&
           (buckets & (buckets - 1)) == 0;
}

void big_cache_acquire_locks(void)
{
    lock_acquire(&upkeep_lock);
    big_ghosts_acquire_lock();
    big_table_acquire_locks();
}

void big_cache_release_locks(void)
{
    big_table_release_locks();
    big_ghosts_release_lock();
    lock_release(&upkeep_lock);
}

void big_cache_reset_locks(void)
{
    lock_reset(&upkeep_lock);
    big_ghosts_reset_lock();
    big_table_reset_locks();
}
