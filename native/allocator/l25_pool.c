/* l25_pool.c: which shard serves a thread, and how many shards there are. */
#include "l25_pool.h"

#include "altered.h"
#include "clock.h"
#include "control.h"
#include "events.h"
#include "l25_shard.h"
#include "lock.h"
#include "retention.h"
#include "settings.h"
#include "telemetry.h"

#define STEAL_MAX_BLOCKS 8
#define STEAL_MAX_BYTES ((size_t)2 << 20)
#define SURPLUS_BLOCKS 8      /* a free gives back at most so many blocks, so that no free takes long */
#define UNEARNED_BYTES (UINT64_C(2) << 20) /* idle bytes that a shard keeps in any case (retention.h) */
#define CONTENTION_SAMPLE 100 /* with fewer operations, the share of failed trylocks says nothing */

static _Alignas(CACHE_LINE) _Atomic uint32_t shard_count;   /* number in use; store release after the shards are ready */
static _Atomic uint32_t highest_count; /* the highest number ever in use: shards below it may hold blocks */
/* Guards the number of shards and the window's start. It is taken before any shard's lock. */
static struct lock resize_lock;
static struct retention retention; /* what each shard may keep; chunks, which get the surplus, have their own */
static uint32_t window_started_ms;
static bool window_has_grown; /* the shards have doubled in this window */
static int64_t seen_load, seen_window_ms, seen_clock_mode;
static _Atomic uint32_t window_epoch;
static _Atomic uint32_t window_contended; /* failed trylocks of all shards in this window */

size_t l25_pool_block_bytes(const struct slab *slab)
{
    return l25_class_bytes(slab->class_index);
}

size_t l25_pool_usable_bytes(const struct slab *slab)
{
    return slab->requested_bytes;
}

void l25_pool_note_request(struct slab *slab, size_t bytes)
{
    slab->requested_bytes = (uint32_t)round_up(bytes, PAGE_BYTES);
}

bool l25_pool_is_at_user(const struct slab *slab)
{
    return __atomic_load_n(&slab->used, __ATOMIC_RELAXED) == 1;
}

static uint32_t power_of_two_at_most(int64_t value)
{
    return 1u << log2_floor((uint64_t)clamp_int64(value, 1, L25_MAX_SHARDS));
}

/* Publishes the number of shards. Returns false if there is no memory for their telemetry. */
static bool publish_count(uint32_t count)
{
    if (count > atomic_load_explicit(&highest_count, memory_order_relaxed)) {
        /* The number of rows never falls, so that the counts of shards no longer in use stay in the sums. */
        if (!control_set_shard_rows(count))
            return false;
        atomic_store_explicit(&highest_count, count, memory_order_release);
    }
    atomic_store_explicit(&shard_count, count, memory_order_release);
    telemetry_set(&telemetry->global.l25_shards, count);
    return true;
}

static void start_window(uint32_t now_ms)
{
    window_started_ms = now_ms;
    window_has_grown = false;
    atomic_store_explicit(&window_contended, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&window_epoch, 1, memory_order_relaxed);
}

static void remember_settings(void)
{
    seen_load = SETTING(l25_load_per_shard);
    seen_window_ms = SETTING(l25_window_ms);
    seen_clock_mode = SETTING(clock_mode);
}

bool l25_pool_start(void)
{
    int64_t count = SETTING(l25_initial_shards), most = SETTING(l25_max_shards);
    remember_settings();
    start_window(clock_now_ms(NULL));
    uint32_t shards = power_of_two_at_most(count < most ? count : most);
    while (!publish_count(shards))
        shards /= 2; /* the first rows are always present, so this ends */
    return true;
}

/* ---- one shard ---------------------------------------------------------------------------------- */

/* Counts one operation in the window. Returns true if the load of all shards should be looked at. */
static bool count_locked(struct shard *shard, bool is_allocation)
{
    uint32_t epoch = atomic_load_explicit(&window_epoch, memory_order_relaxed);
    uint32_t operations = 0, allocations = 0;
    if (LIKELY(atomic_load_explicit(&shard->epoch, memory_order_relaxed) == epoch)) {
        operations = atomic_load_explicit(&shard->operations, memory_order_relaxed);
        allocations = atomic_load_explicit(&shard->allocations, memory_order_relaxed);
    } else {
        atomic_store_explicit(&shard->allocations, 0, memory_order_relaxed);
        atomic_store_explicit(&shard->epoch, epoch, memory_order_relaxed);
        shard->allocations_due = (uint32_t)SETTING(l25_load_per_shard) + 1;
    }
    atomic_store_explicit(&shard->operations, operations + 1, memory_order_relaxed);
    telemetry_bump(&telemetry->shards[shard_index(shard)].operations, 1);
    if (!is_allocation)
        return false;
    atomic_store_explicit(&shard->allocations, ++allocations, memory_order_relaxed);
    if (LIKELY(allocations < shard->allocations_due))
        return false;
    /* A look reads a cache line for each shard, so the looks must be so rare that each allocation pays for few lines. */
    uint32_t step = (uint32_t)SETTING(l25_load_per_shard);
    uint32_t least = atomic_load_explicit(&shard_count, memory_order_relaxed) / 4 + 1;
    shard->allocations_due = allocations + (step > least ? step : least);
    return true;
}

/* Locks the actor's shard, or a neighbour if another thread holds that one. Sets *look_due if contention should be looked
 * at. */
static struct shard *lock_near(const struct actor *actor, bool *look_due)
{
    uint32_t mask = atomic_load_explicit(&shard_count, memory_order_acquire) - 1;
    uint32_t home = ((actor ? actor->thread_id : 0) * UINT32_C(0x9e3779b1)) >> 16;
    for (uint32_t attempt = 0; attempt < 4 && attempt <= mask; attempt++) {
        struct shard *shard = &l25_shards[(home + attempt) & mask];
        if (LIKELY(lock_try(&shard->lock)))
            return shard;
        telemetry_add(&telemetry->shards[shard_index(shard)].contended, 1);
        uint32_t contended = atomic_fetch_add_explicit(&window_contended, 1, memory_order_relaxed) + 1;
        *look_due |= contended % 8 == 0;
    }
    lock_acquire(&l25_shards[home & mask].lock);
    return &l25_shards[home & mask];
}

static size_t release_chain(const struct actor *actor, struct slab *chain)
{
    size_t bytes = 0;
    while (chain) {
        struct slab *next = chain->next;
        bytes += l25_pool_block_bytes(chain);
        chain->next = NULL;
        superslab_release(actor, chain, chain->idle_since_ms);
        chain = next;
    }
    return bytes;
}

/* ---- how many shards ---------------------------------------------------------------------------- */

/* Starts a new window if this one is over, or else doubles the shards if its load or contention is too high. */
static NOINLINE void look_at_load(const struct actor *actor)
{
    uint32_t now_ms = clock_now_ms(actor);
    if (!lock_try(&resize_lock))
        return; /* another thread is looking */
    int32_t window_ms = (int32_t)SETTING(l25_window_ms), elapsed_ms = (int32_t)(now_ms - window_started_ms);
    if (elapsed_ms >= window_ms || elapsed_ms <= -window_ms) {
        start_window(now_ms);
        lock_release(&resize_lock);
        return;
    }
    uint32_t count = atomic_load_explicit(&shard_count, memory_order_relaxed);
    if (window_has_grown || 2 * (int64_t)count > SETTING(l25_max_shards)) {
        lock_release(&resize_lock);
        return;
    }
    uint32_t epoch = atomic_load_explicit(&window_epoch, memory_order_relaxed);
    uint64_t allocations = 0, operations = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&l25_shards[i].epoch, memory_order_relaxed) != epoch)
            continue;
        allocations += atomic_load_explicit(&l25_shards[i].allocations, memory_order_relaxed);
        operations += atomic_load_explicit(&l25_shards[i].operations, memory_order_relaxed);
    }
    uint64_t contended = atomic_load_explicit(&window_contended, memory_order_relaxed);
    uint64_t limit_percent = (uint64_t)SETTING(l25_contention_percent);
    bool is_loaded = allocations > (uint64_t)SETTING(l25_load_per_shard) * count;
    bool is_contended = limit_percent && operations >= CONTENTION_SAMPLE && contended * 100 > limit_percent * operations;
    if (is_loaded || is_contended) {
        start_window(now_ms);
        window_has_grown = true;
        if (publish_count(2 * count))
            event_append_detail(actor, EVENT_L25_EXPAND, is_loaded ? CAUSE_LOAD : CAUSE_CONTENTION, NO_ITEM, count,
                                2.0 * count, (uint32_t)(allocations / count));
    }
    lock_release(&resize_lock);
}

/* Moves the blocks of the shards from `count` on to shards in use. A free that still saw the old number may put a block
 * there afterwards; allocations find it by l25_holders. */
static void drain_shards_from(uint32_t count, uint32_t former_count)
{
    for (uint32_t i = count; i < former_count; i++) {
        lock_acquire(&l25_shards[i].lock);
        struct slab *chain = shard_detach_all_locked(&l25_shards[i]);
        lock_release(&l25_shards[i].lock);
        struct shard *target = &l25_shards[i & (count - 1)];
        lock_acquire(&target->lock);
        shard_push_chain_locked(target, chain);
        lock_release(&target->lock);
    }
}

void l25_pool_settings_changed(const struct actor *actor)
{
    lock_acquire(&resize_lock);
    uint32_t most = power_of_two_at_most(SETTING(l25_max_shards));
    uint32_t count = atomic_load_explicit(&shard_count, memory_order_relaxed);
    if (count > most) {
        publish_count(most);
        event_append(actor, EVENT_L25_EXPAND, CAUSE_TUNABLE, NO_ITEM, count, most);
        drain_shards_from(most, count);
    }
    if (seen_load != SETTING(l25_load_per_shard) || seen_window_ms != SETTING(l25_window_ms) ||
        seen_clock_mode != SETTING(clock_mode)) {
        remember_settings();
        start_window(clock_now_ms(actor));
    }
    lock_release(&resize_lock);
}

/* ---- blocks ------------------------------------------------------------------------------------- */

/* Takes a few blocks from another shard: one for the caller, the rest for the caller's shard, so that a thread that
 * only allocates blocks that other threads freed need not take each block from another shard. Releases from->lock. */
static struct slab *steal(unsigned class_index, struct shard *from, struct shard *own)
{
    struct slab *chain = NULL, *slab;
    size_t most = STEAL_MAX_BYTES / l25_class_bytes(class_index);
    for (size_t i = 0; i < most && i < STEAL_MAX_BLOCKS && (slab = shard_pop_locked(from, class_index)); i++) {
        slab->next = chain;
        chain = slab;
    }
    shard_publish_free_bytes_locked(from);
    lock_release(&from->lock);
    if (!chain || !chain->next)
        return chain;
    lock_acquire(&own->lock);
    shard_push_chain_locked(own, chain->next);
    lock_release(&own->lock);
    return chain;
}

/* Looks through all shards that may hold the class. It skips a shard whose lock is held, unless it `is_patient`. */
static struct slab *take_from_others(unsigned class_index, struct shard *own, bool is_patient)
{
    for (uint32_t step = 0; step < L25_HOLDER_WORDS; step++) {
        uint32_t word = (shard_index(own) / 64 + step) % L25_HOLDER_WORDS;
        uint64_t bits = atomic_load_explicit(&l25_holders[class_index][word], memory_order_relaxed);
        for (; bits; bits &= bits - 1) {
            struct shard *shard = &l25_shards[word * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (!atomic_load_explicit(&shard->newest[class_index], memory_order_relaxed))
                continue;
            if (is_patient)
                lock_acquire(&shard->lock);
            else if (!lock_try(&shard->lock))
                continue;
            struct slab *slab = steal(class_index, shard, own);
            if (slab)
                return slab;
        }
    }
    return NULL;
}

static NOINLINE struct slab *take_slow(const struct actor *actor, unsigned class_index, struct shard *own,
                                       bool is_growing)
{
    unsigned span_slabs = 1u << class_index, room_slabs = is_growing ? 1u << (L25_CLASS_COUNT - 1) : span_slabs;
    struct slab *slab = take_from_others(class_index, own, false);
    if (!slab && retention_has_given(&retention))
        retention_missed(&retention, l25_class_bytes(class_index), RETENTION_DOUBT, clock_now_ms(actor));
    if (!slab)
        slab = superslab_acquire_with_room(actor, span_slabs, room_slabs, SLAB_L25, class_index, 0);
    if (!slab)
        slab = take_from_others(class_index, own, true);
    /* Free blocks of other classes may occupy the slabs that this one needs. */
    if (!slab && l25_pool_purge(actor, clock_now_ms(actor), true))
        slab = superslab_acquire(actor, span_slabs, SLAB_L25, class_index, 0);
    if (slab)
        l25_add_live_bytes((int64_t)l25_class_bytes(class_index));
    return slab;
}

/* Takes the longest free block of the shard's that is longer than the class. Returns NULL if there is none. */
static struct slab *pop_longer_locked(struct shard *shard, unsigned class_index)
{
    struct slab *slab = NULL;
    for (unsigned longer = L25_CLASS_COUNT - 1; longer > class_index && !slab; longer--)
        slab = shard_pop_locked(shard, longer);
    return slab;
}

/* Cuts a longer block to the length of a class. The slabs behind it become free, so that it can grow over them. */
static void cut_to_class(const struct actor *actor, struct slab *slab, unsigned class_index)
{
    superslab_resize(actor, slab, 1u << class_index, false, clock_now_ms(actor));
    slab->class_index = (uint8_t)class_index;
}

static void *allocate(const struct actor *actor, size_t bytes, bool is_growing, bool *is_zeroed)
{
    unsigned class_index = l25_class_for(bytes);
    bool look_due = false;
    struct shard *shard = lock_near(actor, &look_due);
    struct slab *slab = is_growing ? pop_longer_locked(shard, class_index) : NULL;
    if (!slab)
        slab = shard_pop_locked(shard, class_index);
    if (slab) {
        shard_debit_locked(shard, (int64_t)l25_class_bytes(class_index));
        shard_publish_free_bytes_locked(shard);
    }
    look_due |= count_locked(shard, true);
    lock_release(&shard->lock);
    if (UNLIKELY(!slab))
        slab = take_slow(actor, class_index, shard, is_growing);
    if (UNLIKELY(look_due))
        look_at_load(actor);
    if (!slab)
        return NULL;
    if (slab->class_index != class_index)
        cut_to_class(actor, slab, class_index);
    l25_pool_note_request(slab, bytes);
    *is_zeroed = slab->is_zeroed;
    slab->is_zeroed = false;
    /* The `used` of an L2.5 slab is 1 at the user and 0 when free. It decides which of two frees is the first. */
    __atomic_store_n(&slab->used, 1, __ATOMIC_RELAXED);
    return slab_start(slab);
}

void *l25_pool_allocate(const struct actor *actor, size_t bytes, size_t alignment, bool *is_zeroed)
{
    size_t need = bytes > alignment ? bytes : alignment; /* spans are aligned to their size */
    return need <= L25_MAX_BYTES ? allocate(actor, need, false, is_zeroed) : NULL;
}

void *l25_pool_allocate_growing(const struct actor *actor, size_t bytes)
{
    bool is_zeroed;
    return bytes <= L25_MAX_BYTES ? allocate(actor, bytes, true, &is_zeroed) : NULL;
}

static struct slab *detach_surplus_locked(struct shard *shard, uint32_t now_ms)
{
    uint64_t had = shard->free_bytes;
    struct slab *chain = shard_detach_oldest_locked(shard, retention_bytes(&retention, UNEARNED_BYTES), SURPLUS_BLOCKS);
    retention_gave(&retention, had - shard->free_bytes, now_ms);
    return chain;
}

static COLD void release_surplus(const struct actor *actor, struct slab *chain, uint32_t now_ms)
{
    release_chain(actor, chain);
    if (superslab_has_surplus())
        superslab_give_surplus(actor, now_ms);
}

bool l25_pool_free(const struct actor *actor, struct slab *slab)
{
    if (__atomic_exchange_n(&slab->used, 0, __ATOMIC_ACQ_REL) != 1)
        return false;
    if (UNLIKELY(slab_is_altered(slab)) && !altered_renew(slab_start(slab), slab->span_slabs * SLAB_BYTES))
        return true; /* its pages cannot be used again, so the block is never handed out again */
    atomic_store_explicit(&slab->is_altered, 0, memory_order_relaxed);
    int64_t bytes = (int64_t)l25_pool_block_bytes(slab), delay_ms = SETTING(ss_purge_delay_ms);
    uint32_t now_ms = clock_now_ms(actor);
    bool look_due = false;
    struct slab *surplus = NULL;
    slab->idle_since_ms = now_ms;
    struct shard *shard = lock_near(actor, &look_due);
    count_locked(shard, false);
    shard_credit_locked(shard, bytes);
    if (UNLIKELY(delay_ms == 0)) {
        slab->next = NULL;
        surplus = slab;
    } else {
        shard_push_locked(shard, slab);
        shard_publish_free_bytes_locked(shard);
        if (UNLIKELY(++shard->visits % L25_VISITS_A_LOOK == 0) && delay_ms > 0)
            surplus = shard_detach_idle_locked(shard, now_ms, delay_ms, SURPLUS_BLOCKS);
        else if (UNLIKELY(shard->free_bytes > retention_bytes(&retention, UNEARNED_BYTES)) && delay_ms > 0)
            surplus = detach_surplus_locked(shard, now_ms);
    }
    lock_release(&shard->lock);
    if (UNLIKELY(surplus != NULL))
        release_surplus(actor, surplus, now_ms);
    if (UNLIKELY(look_due))
        look_at_load(actor);
    return true;
}

static bool any_is_free(unsigned class_index)
{
    for (uint32_t word = 0; word < L25_HOLDER_WORDS; word++) {
        uint64_t bits = atomic_load_explicit(&l25_holders[class_index][word], memory_order_relaxed);
        for (; bits; bits &= bits - 1)
            if (atomic_load_explicit(&l25_shards[word * 64 + (uint32_t)__builtin_ctzll(bits)].newest[class_index],
                                     memory_order_relaxed))
                return true;
    }
    return false;
}

bool l25_pool_resize(const struct actor *actor, struct slab *slab, size_t bytes)
{
    if (bytes <= MID_MAX_BYTES || bytes > L25_MAX_BYTES || slab_is_altered(slab))
        return false;
    unsigned former = slab->class_index, class_index = l25_class_for(bytes);
    /* If a free block of the longer class waits, a copy into it costs less than new pages, and less memory is kept. */
    bool only_dirty = class_index > former && any_is_free(class_index);
    uint32_t now_ms = clock_now_ms(actor);
    if (!superslab_resize(actor, slab, 1u << class_index, only_dirty, now_ms))
        return false;
    if (class_index < former && superslab_has_surplus())
        superslab_give_surplus(actor, now_ms);
    slab->class_index = (uint8_t)class_index;
    l25_pool_note_request(slab, bytes);
    l25_add_live_bytes((int64_t)l25_class_bytes(class_index) - (int64_t)l25_class_bytes(former));
    return true;
}

/* ---- upkeep ------------------------------------------------------------------------------------- */

size_t l25_pool_purge(const struct actor *actor, uint32_t now_ms, bool everything)
{
    int64_t delay_ms = everything ? INT32_MIN : SETTING(ss_purge_delay_ms);
    bool is_purging = everything || delay_ms >= 0;
    uint32_t highest = atomic_load_explicit(&highest_count, memory_order_acquire);
    size_t bytes = 0;
    for (uint32_t i = 0; i < highest; i++) {
        struct shard *shard = &l25_shards[i];
        if (!shard_is_marked(shard) && atomic_load_explicit(&shard->credit_bytes, memory_order_relaxed) == 0)
            continue;
        lock_acquire(&shard->lock);
        struct slab *chain = is_purging ? shard_detach_idle_locked(shard, now_ms, delay_ms, UINT32_MAX) : NULL;
        shard_unmark_empty_locked(shard);
        l25_add_live_bytes(-atomic_load_explicit(&shard->credit_bytes, memory_order_relaxed));
        atomic_store_explicit(&shard->credit_bytes, 0, memory_order_relaxed);
        lock_release(&shard->lock);
        bytes += release_chain(actor, chain);
    }
    retention_was_too_much(&retention, bytes);
    return bytes;
}

bool l25_pool_is_valid(void)
{
    bool valid = true;
    lock_acquire(&resize_lock);
    uint32_t count = atomic_load_explicit(&shard_count, memory_order_relaxed);
    uint32_t highest = atomic_load_explicit(&highest_count, memory_order_relaxed);
    valid &= count >= 1 && count <= highest && highest <= L25_MAX_SHARDS && (count & (count - 1)) == 0;
    for (uint32_t i = 0; i < L25_MAX_SHARDS; i++) {
        lock_acquire(&l25_shards[i].lock);
        valid &= shard_is_valid_locked(&l25_shards[i]) && (i < highest || l25_shards[i].marked == 0);
        lock_release(&l25_shards[i].lock);
    }
    lock_release(&resize_lock);
    return valid;
}

void l25_pool_acquire_locks(void)
{
    lock_acquire(&resize_lock); /* while it is held, highest_count does not change */
    for (uint32_t i = 0; i < atomic_load_explicit(&highest_count, memory_order_relaxed); i++)
        lock_acquire(&l25_shards[i].lock);
}

void l25_pool_release_locks(void)
{
    for (uint32_t i = atomic_load_explicit(&highest_count, memory_order_relaxed); i-- > 0;)
        lock_release(&l25_shards[i].lock);
    lock_release(&resize_lock);
}

void l25_pool_reset_locks(void)
{
    lock_reset(&resize_lock);
    for (uint32_t i = 0; i < L25_MAX_SHARDS; i++)
        lock_reset(&l25_shards[i].lock);
}
