/* big_table.c: functions of big_table.h that concern all stripes: searches, victims, a change of the hash function. */
#include "big_table.h"

#include "big_stripe.h"
#include "settings.h"

#define VICTIM_SAMPLE_STRIPES 8
#define VICTIM_SAMPLE_ENTRIES 4
#define CLOCK_FOREIGN_MS 65536 /* a time that is further away than any delay was read under another clock.mode */

static _Alignas(CACHE_LINE) _Atomic uint32_t victim_rotor;

void big_table_insert(struct chunk *chunk)
{
    uint32_t hash;
    struct stripe *stripe = stripe_lock_key(big_class(chunk->frames), chunk->call_site, &hash);
    stripe_insert_locked(stripe, chunk, hash);
    lock_release(&stripe->lock);
}

static struct chunk *take_of_site(const struct big_request *request, unsigned class_index)
{
    uint32_t hash;
    struct stripe *stripe = stripe_lock_key(class_index, request->call_site, &hash);
    struct chunk *chunk = stripe_take_of_site_locked(stripe, request, class_index, hash);
    lock_release(&stripe->lock);
    return chunk;
}

static struct chunk *take_of_class(const struct big_request *request, unsigned class_index)
{
    struct chunk *chunk = NULL;
    uint64_t bits = atomic_load_explicit(&big_class_stripes[class_index], memory_order_relaxed);
    for (; bits && !chunk; bits &= bits - 1) {
        struct stripe *stripe = &big_stripes[__builtin_ctzll(bits)];
        if (!lock_try(&stripe->lock))
            continue;
        stripe_follow_locked(stripe);
        chunk = stripe_take_of_class_locked(stripe, request, class_index);
        lock_release(&stripe->lock);
    }
    return chunk;
}

struct chunk *big_table_take(const struct big_request *request, bool *is_same_site)
{
    unsigned class_index = big_class(request->frames), above = big_class(2 * request->frames);
    struct chunk *chunk = take_of_site(request, class_index);
    *is_same_site = chunk != NULL;
    if (!chunk)
        chunk = take_of_class(request, class_index);
    /* Address space costs nothing, but new pages do, so a longer run with touched pages comes before a new run. */
    if (!chunk && above != class_index)
        chunk = take_of_class(request, above);
    return chunk;
}

static bool is_empty(const struct stripe *stripe)
{
    return atomic_load_explicit(&stripe->entries, memory_order_relaxed) == 0;
}

static struct chunk *least_used_locked(struct stripe *stripe)
{
    struct chunk *least = stripe->oldest, *chunk = least;
    for (unsigned i = 0; chunk && i < VICTIM_SAMPLE_ENTRIES; i++, chunk = chunk->list_next)
        if (chunk->uses < least->uses)
            least = chunk;
    return least;
}

static struct stripe *find_least_used(void)
{
    struct stripe *found = NULL;
    uint32_t least_uses = 0, seen = 0;
    uint32_t first = atomic_fetch_add_explicit(&victim_rotor, VICTIM_SAMPLE_STRIPES, memory_order_relaxed);
    for (uint32_t i = 0; i < BIG_STRIPE_COUNT && seen < VICTIM_SAMPLE_STRIPES; i++) {
        struct stripe *stripe = &big_stripes[(first + i) & BIG_STRIPE_MASK];
        if (is_empty(stripe))
            continue;
        seen++;
        lock_acquire(&stripe->lock);
        struct chunk *chunk = least_used_locked(stripe);
        if (chunk && (!found || chunk->uses < least_uses)) {
            found = stripe;
            least_uses = chunk->uses;
        }
        lock_release(&stripe->lock);
    }
    return found;
}

static struct stripe *find_longest_idle(uint32_t now_ms)
{
    struct stripe *found = NULL;
    uint32_t longest_ms = 0;
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++) {
        uint32_t idle_ms = now_ms - atomic_load_explicit(&big_stripes[i].oldest_ms, memory_order_relaxed);
        if (is_empty(&big_stripes[i]))
            continue;
        if ((int32_t)idle_ms < 0)
            idle_ms = 0; /* it became idle after now_ms was read */
        if (!found || idle_ms > longest_ms) {
            found = &big_stripes[i];
            longest_ms = idle_ms;
        }
    }
    return found;
}

struct chunk *big_table_take_victim(int policy, uint32_t now_ms)
{
    struct stripe *stripe;
    while ((stripe = policy == BIG_LFU ? find_least_used() : find_longest_idle(now_ms)) != NULL) {
        lock_acquire(&stripe->lock);
        stripe_follow_locked(stripe);
        struct chunk *chunk = policy == BIG_LFU ? least_used_locked(stripe) : stripe->oldest;
        if (chunk)
            stripe_remove_locked(stripe, chunk);
        lock_release(&stripe->lock);
        if (chunk)
            return chunk;
    }
    return NULL;
}

struct chunk *big_table_take_idle(unsigned stripe_number, uint32_t now_ms, int64_t delay_ms)
{
    struct stripe *stripe = &big_stripes[stripe_number & BIG_STRIPE_MASK];
    if (is_empty(stripe))
        return NULL;
    lock_acquire(&stripe->lock);
    stripe_follow_locked(stripe);
    struct chunk *chunk = stripe->oldest;
    if (chunk) {
        int32_t idle_ms = (int32_t)(now_ms - chunk->idle_since_ms);
        if (idle_ms >= delay_ms || idle_ms <= -CLOCK_FOREIGN_MS)
            stripe_remove_locked(stripe, chunk);
        else
            chunk = NULL;
    }
    lock_release(&stripe->lock);
    return chunk;
}

/* Takes the entry that has been idle for the longest time, of all stripes, off its list. */
static struct chunk *pop_oldest_of_all_locked(void)
{
    struct stripe *found = NULL;
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        if (big_stripes[i].oldest &&
            (!found || (int32_t)(big_stripes[i].oldest->idle_since_ms - found->oldest->idle_since_ms) < 0))
            found = &big_stripes[i];
    if (!found)
        return NULL;
    struct chunk *chunk = found->oldest;
    found->oldest = chunk->list_next;
    return chunk;
}

void big_table_set_hash(int hash)
{
    if (stripes_placed_by() == (uint32_t)hash)
        return;
    big_table_acquire_locks();
    struct chunk *first = NULL, **link = &first, *chunk;
    while ((chunk = pop_oldest_of_all_locked()) != NULL) {
        *link = chunk;
        chunk->list_next = NULL;
        link = &chunk->list_next;
    }
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++) {
        stripe_clear_heads_locked(&big_stripes[i]);
        big_stripes[i].buckets = stripes_buckets();
        big_stripes[i].newest = NULL;
        atomic_store_explicit(&big_stripes[i].entries, 0, memory_order_relaxed);
        for (unsigned class_index = 0; class_index < BIG_CLASS_COUNT; class_index++)
            big_stripes[i].class_counts[class_index] = 0;
    }
    stripes_place_by((uint32_t)hash);
    while (first) {
        chunk = first;
        first = chunk->list_next;
        uint32_t key = stripe_hash(chunk);
        struct stripe *stripe = &big_stripes[key & BIG_STRIPE_MASK];
        stripe_place_locked(stripe, chunk, key);
    }
    big_table_release_locks();
}

/* ---- checks and fork ---------------------------------------------------------------------------- */

bool big_table_is_valid(void)
{
    bool valid = true;
    uint32_t entries = 0;
    uint64_t bytes = 0;
    big_table_acquire_locks();
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        valid &= stripe_is_valid_locked(&big_stripes[i], &entries, &bytes);
    valid &= entries == stripes_entries() && bytes == stripes_bytes();
    big_table_release_locks();
    return valid;
}

void big_table_acquire_locks(void)
{
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        lock_acquire(&big_stripes[i].lock);
}

void big_table_release_locks(void)
{
    for (unsigned i = BIG_STRIPE_COUNT; i-- > 0;)
        lock_release(&big_stripes[i].lock);
}

void big_table_reset_locks(void)
{
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        lock_reset(&big_stripes[i].lock);
}
