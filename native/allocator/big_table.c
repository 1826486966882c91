/* big_table.c: striped buckets and age lists of big_table.h. */
#include "big_table.h"

#include "os.h"
#include "settings.h"
#include "telemetry.h"

#define STRIPE_MASK (BIG_STRIPE_COUNT - 1)
#define CLASS_SEARCH_ENTRIES 32  /* of a stripe, that a search for any call site looks at */
#define VICTIM_SAMPLE_STRIPES 8
#define VICTIM_SAMPLE_ENTRIES 4
#define CLOCK_FOREIGN_MS 65536 /* a time further away than any delay is of another clock.mode */

static struct stripe stripes[BIG_STRIPE_COUNT];
static struct chunk **heads; /* BIG_MAX_BUCKETS, touched as far as used */

/* A bit a stripe: clear only if it holds no entry of the class. Set and cleared under the stripe's lock;
 * cleared by searches that find nothing, so that a list that empties and fills does not write here. */
static _Alignas(CACHE_LINE) _Atomic uint64_t class_stripes[BIG_CLASS_COUNT];
_Static_assert(sizeof class_stripes == CACHE_LINE, "a line of their own");

static _Atomic uint32_t bucket_count; /* what stripes follow */
static _Atomic uint32_t placed_by;    /* enum big_hash; written under all locks */
/* What blocks that come and go write, on a line of its own: what all read (above) stays in caches.
 * word: entries and pages of all stripes, so that one addition counts both: entries from bit PAGE_BITS
 * up, pages below. Added to under a stripe's lock, so exact while all are held. */
static struct {
    _Alignas(CACHE_LINE) _Atomic uint64_t word;
    _Atomic uint32_t victim_rotor;
} totals;
#define PAGE_BITS 43
#define ONE_ENTRY (UINT64_C(1) << PAGE_BITS)

static uint32_t entries_in(uint64_t word)
{
    return (uint32_t)(word >> PAGE_BITS);
}

static uint64_t bytes_in(uint64_t word)
{
    return (word & (ONE_ENTRY - 1)) * PAGE_BYTES;
}

uint32_t big_table_entries(void)
{
    return entries_in(atomic_load_explicit(&totals.word, memory_order_relaxed));
}

uint64_t big_table_bytes(void)
{
    return bytes_in(atomic_load_explicit(&totals.word, memory_order_relaxed));
}

/* Plain stores: of two threads at once the earlier may have the last word, until the next one counts. */
static void publish_totals(uint64_t word)
{
    telemetry_set(&telemetry->global.big_entries, entries_in(word));
    telemetry_set(&telemetry->global.big_bytes, bytes_in(word));
}

void big_table_publish(void)
{
    publish_totals(atomic_load_explicit(&totals.word, memory_order_relaxed));
}

static void count_in(const struct chunk *chunk)
{
    uint64_t one = ONE_ENTRY + chunk->touched_bytes / PAGE_BYTES;
    publish_totals(atomic_fetch_add_explicit(&totals.word, one, memory_order_relaxed) + one);
}

static void count_out(const struct chunk *chunk)
{
    uint64_t one = ONE_ENTRY + chunk->touched_bytes / PAGE_BYTES;
    publish_totals(atomic_fetch_sub_explicit(&totals.word, one, memory_order_relaxed) - one);
}

uint32_t big_table_buckets(void)
{
    return atomic_load_explicit(&bucket_count, memory_order_relaxed);
}

bool big_table_start(uint32_t buckets)
{
    heads = os_map(BIG_MAX_BUCKETS * sizeof *heads);
    if (!heads)
        return false;
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        stripes[i].buckets = buckets;
    atomic_store_explicit(&placed_by, (uint32_t)SETTING(big_hash), memory_order_relaxed);
    atomic_store_explicit(&bucket_count, buckets, memory_order_relaxed);
    telemetry_set(&telemetry->global.big_buckets, buckets);
    return true;
}

/* ---- one stripe --------------------------------------------------------------------------------- */

/* FNV-1a over the class and the bytes of the call site. */
static uint32_t hash_fnv1a(unsigned class_index, uint64_t call_site)
{
    uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ class_index) * UINT64_C(0x100000001b3);
    for (unsigned byte = 0; byte < 8; byte++)
        hash = (hash ^ (call_site >> (8 * byte) & 0xff)) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Multiply and xor-shift until every bit of the input reaches every bit of the output. */
static uint32_t hash_mix64(unsigned class_index, uint64_t call_site)
{
    uint64_t hash = call_site + (class_index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(hash ^ hash >> 31);
}

static uint32_t hash_key(uint32_t hash_kind, unsigned class_index, uint64_t call_site)
{
    return hash_kind == BIG_MIX64 ? hash_mix64(class_index, call_site) : hash_fnv1a(class_index, call_site);
}

static uint32_t hash_chunk(const struct chunk *chunk)
{
    uint32_t kind = atomic_load_explicit(&placed_by, memory_order_relaxed);
    return hash_key(kind, big_class(chunk->frames), chunk->call_site);
}

static unsigned stripe_index(const struct stripe *stripe)
{
    return (unsigned)(stripe - stripes);
}

static void chain_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash)
{
    struct chunk **head = &heads[hash & (stripe->buckets - 1)];
    chunk->bucket_previous = NULL;
    chunk->bucket_next = *head;
    if (*head)
        (*head)->bucket_previous = chunk;
    *head = chunk;
}

static void clear_heads_locked(struct stripe *stripe)
{
    for (uint32_t bucket = stripe_index(stripe); bucket < stripe->buckets; bucket += BIG_STRIPE_COUNT)
        heads[bucket] = NULL;
}

/* Brings the stripe to the number of buckets asked for. */
static void follow_locked(struct stripe *stripe)
{
    uint32_t buckets = big_table_buckets();
    if (LIKELY(stripe->buckets == buckets))
        return;
    clear_heads_locked(stripe);
    stripe->buckets = buckets;
    /* Oldest first: the newest comes to stand first in its chain. */
    for (struct chunk *chunk = stripe->oldest; chunk; chunk = chunk->list_next)
        chain_locked(stripe, chunk, hash_chunk(chunk));
}

static void publish_oldest_locked(struct stripe *stripe)
{
    if (stripe->oldest)
        atomic_store_explicit(&stripe->oldest_ms, stripe->oldest->idle_since_ms, memory_order_relaxed);
}

static void append_locked(struct stripe *stripe, struct chunk *chunk)
{
    unsigned class_index = big_class(chunk->frames);
    uint64_t bit = UINT64_C(1) << stripe_index(stripe);
    chunk->list_next = NULL;
    chunk->list_previous = stripe->newest;
    if (stripe->newest)
        stripe->newest->list_next = chunk;
    else
        stripe->oldest = chunk;
    stripe->newest = chunk;
    publish_oldest_locked(stripe);
    if (stripe->class_counts[class_index]++ == 0 &&
        !(atomic_load_explicit(&class_stripes[class_index], memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(&class_stripes[class_index], bit, memory_order_relaxed);
    uint32_t entries = atomic_load_explicit(&stripe->entries, memory_order_relaxed);
    atomic_store_explicit(&stripe->entries, entries + 1, memory_order_relaxed);
}

static void remove_locked(struct stripe *stripe, struct chunk *chunk)
{
    if (chunk->bucket_previous)
        chunk->bucket_previous->bucket_next = chunk->bucket_next;
    else
        heads[hash_chunk(chunk) & (stripe->buckets - 1)] = chunk->bucket_next;
    if (chunk->bucket_next)
        chunk->bucket_next->bucket_previous = chunk->bucket_previous;
    if (chunk->list_previous)
        chunk->list_previous->list_next = chunk->list_next;
    else
        stripe->oldest = chunk->list_next;
    if (chunk->list_next)
        chunk->list_next->list_previous = chunk->list_previous;
    else
        stripe->newest = chunk->list_previous;
    publish_oldest_locked(stripe);
    stripe->class_counts[big_class(chunk->frames)]--;
    uint32_t entries = atomic_load_explicit(&stripe->entries, memory_order_relaxed);
    atomic_store_explicit(&stripe->entries, entries - 1, memory_order_relaxed);
    count_out(chunk);
}

/* The stripe of a key, locked; *hash as it is placed by. */
static struct stripe *lock_key(unsigned class_index, uint64_t call_site, uint32_t *hash)
{
    for (;;) {
        uint32_t kind = atomic_load_explicit(&placed_by, memory_order_relaxed);
        *hash = hash_key(kind, class_index, call_site);
        struct stripe *stripe = &stripes[*hash & STRIPE_MASK];
        lock_acquire(&stripe->lock);
        if (LIKELY(atomic_load_explicit(&placed_by, memory_order_relaxed) == kind)) {
            follow_locked(stripe);
            return stripe;
        }
        lock_release(&stripe->lock); /* the hash function changed meanwhile */
    }
}

/* ---- all stripes -------------------------------------------------------------------------------- */

void big_table_insert(struct chunk *chunk)
{
    uint32_t hash;
    struct stripe *stripe = lock_key(big_class(chunk->frames), chunk->call_site, &hash);
    chain_locked(stripe, chunk, hash);
    append_locked(stripe, chunk);
    count_in(chunk);
    lock_release(&stripe->lock);
}

static bool fits(const struct chunk *chunk, unsigned class_index, uint32_t frames, size_t alignment)
{
    return chunk->frames >= frames && chunk->frames <= 2 * frames && big_class(chunk->frames) == class_index &&
           ((uintptr_t)chunk->base & (alignment - 1)) == 0;
}

static struct chunk *take_of_class_locked(struct stripe *stripe, unsigned class_index, uint32_t frames, size_t alignment)
{
    if (stripe->class_counts[class_index] == 0) {
        atomic_fetch_and_explicit(&class_stripes[class_index], ~(UINT64_C(1) << stripe_index(stripe)),
                                  memory_order_relaxed);
        return NULL;
    }
    /* The oldest is the one that its own call site misses least. */
    struct chunk *chunk = stripe->oldest;
    for (unsigned i = 0; chunk && i < CLASS_SEARCH_ENTRIES; i++, chunk = chunk->list_next) {
        if (fits(chunk, class_index, frames, alignment)) {
            remove_locked(stripe, chunk);
            return chunk;
        }
    }
    return NULL;
}

struct chunk *big_table_take(uint32_t frames, size_t alignment, uint64_t call_site, bool *is_same_site)
{
    unsigned class_index = big_class(frames);
    uint32_t hash;
    struct stripe *stripe = lock_key(class_index, call_site, &hash);
    struct chunk *chunk = heads[hash & (stripe->buckets - 1)];
    while (chunk && !(chunk->call_site == call_site && fits(chunk, class_index, frames, alignment)))
        chunk = chunk->bucket_next;
    if (chunk)
        remove_locked(stripe, chunk);
    lock_release(&stripe->lock);
    *is_same_site = chunk != NULL;
    if (chunk)
        return chunk;
    uint64_t bits = atomic_load_explicit(&class_stripes[class_index], memory_order_relaxed);
    for (; bits && !chunk; bits &= bits - 1) {
        stripe = &stripes[__builtin_ctzll(bits)];
        if (!lock_try(&stripe->lock))
            continue;
        follow_locked(stripe);
        chunk = take_of_class_locked(stripe, class_index, frames, alignment);
        lock_release(&stripe->lock);
    }
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
    uint32_t first = atomic_fetch_add_explicit(&totals.victim_rotor, VICTIM_SAMPLE_STRIPES, memory_order_relaxed);
    for (uint32_t i = 0; i < BIG_STRIPE_COUNT && seen < VICTIM_SAMPLE_STRIPES; i++) {
        struct stripe *stripe = &stripes[(first + i) & STRIPE_MASK];
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
        uint32_t idle_ms = now_ms - atomic_load_explicit(&stripes[i].oldest_ms, memory_order_relaxed);
        if (is_empty(&stripes[i]))
            continue;
        if ((int32_t)idle_ms < 0)
            idle_ms = 0; /* became idle after now_ms was read */
        if (!found || idle_ms > longest_ms) {
            found = &stripes[i];
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
        follow_locked(stripe);
        struct chunk *chunk = policy == BIG_LFU ? least_used_locked(stripe) : stripe->oldest;
        if (chunk)
            remove_locked(stripe, chunk);
        lock_release(&stripe->lock);
        if (chunk)
            return chunk;
    }
    return NULL;
}

struct chunk *big_table_take_idle(unsigned stripe_number, uint32_t now_ms, int64_t delay_ms)
{
    struct stripe *stripe = &stripes[stripe_number & STRIPE_MASK];
    if (is_empty(stripe))
        return NULL;
    lock_acquire(&stripe->lock);
    follow_locked(stripe);
    struct chunk *chunk = stripe->oldest;
    if (chunk) {
        int32_t idle_ms = (int32_t)(now_ms - chunk->idle_since_ms);
        if (idle_ms >= delay_ms || idle_ms <= -CLOCK_FOREIGN_MS)
            remove_locked(stripe, chunk);
        else
            chunk = NULL;
    }
    lock_release(&stripe->lock);
    return chunk;
}

bool big_table_set_buckets(uint32_t former, uint32_t buckets)
{
    if (!atomic_compare_exchange_strong_explicit(&bucket_count, &former, buckets, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    telemetry_set(&telemetry->global.big_buckets, buckets);
    return true;
}

/* Takes the longest idle entry of all off its list. */
static struct chunk *pop_oldest_of_all_locked(void)
{
    struct stripe *found = NULL;
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        if (stripes[i].oldest &&
            (!found || (int32_t)(stripes[i].oldest->idle_since_ms - found->oldest->idle_since_ms) < 0))
            found = &stripes[i];
    if (!found)
        return NULL;
    struct chunk *chunk = found->oldest;
    found->oldest = chunk->list_next;
    return chunk;
}

void big_table_set_hash(int hash)
{
    if (atomic_load_explicit(&placed_by, memory_order_relaxed) == (uint32_t)hash)
        return;
    big_table_acquire_locks();
    struct chunk *first = NULL, **link = &first, *chunk;
    while ((chunk = pop_oldest_of_all_locked()) != NULL) {
        *link = chunk;
        chunk->list_next = NULL;
        link = &chunk->list_next;
    }
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++) {
        clear_heads_locked(&stripes[i]);
        stripes[i].buckets = big_table_buckets();
        stripes[i].newest = NULL;
        atomic_store_explicit(&stripes[i].entries, 0, memory_order_relaxed);
        for (unsigned class_index = 0; class_index < BIG_CLASS_COUNT; class_index++)
            stripes[i].class_counts[class_index] = 0;
    }
    atomic_store_explicit(&placed_by, (uint32_t)hash, memory_order_relaxed);
    while (first) {
        chunk = first;
        first = chunk->list_next;
        uint32_t key = hash_chunk(chunk);
        struct stripe *stripe = &stripes[key & STRIPE_MASK];
        chain_locked(stripe, chunk, key);
        append_locked(stripe, chunk);
    }
    big_table_release_locks();
}

/* ---- checks and fork ---------------------------------------------------------------------------- */

static bool stripe_is_valid_locked(struct stripe *stripe, uint32_t *entries, uint64_t *bytes)
{
    bool valid = true;
    uint32_t listed = 0, chained = 0, class_counts[BIG_CLASS_COUNT] = {0};
    struct chunk *previous = NULL;
    for (struct chunk *chunk = stripe->oldest; chunk && valid; previous = chunk, chunk = chunk->list_next) {
        unsigned class_index = big_class(chunk->frames);
        valid &= chunk->list_previous == previous && chunk_kind(chunk) == CHUNK_BIG;
        valid &= atomic_load_explicit(&chunk->big_state, memory_order_relaxed) == BIG_CACHED;
        valid &= (hash_chunk(chunk) & STRIPE_MASK) == stripe_index(stripe);
        valid &= chunk->touched_bytes <= (size_t)chunk->frames * CHUNK_BYTES;
        valid &= registry_find(chunk->base) == chunk;
        valid &= registry_find(chunk->base + (size_t)chunk->frames * CHUNK_BYTES - 1) == chunk;
        valid &= atomic_load_explicit(&class_stripes[class_index], memory_order_relaxed) >> stripe_index(stripe) & 1;
        class_counts[class_index]++;
        *bytes += chunk->touched_bytes;
        listed++;
    }
    valid &= stripe->newest == previous;
    for (uint32_t bucket = stripe_index(stripe); bucket < stripe->buckets; bucket += BIG_STRIPE_COUNT) {
        previous = NULL;
        for (struct chunk *chunk = heads[bucket]; chunk && valid; previous = chunk, chunk = chunk->bucket_next) {
            valid &= chunk->bucket_previous == previous;
            valid &= (hash_chunk(chunk) & (stripe->buckets - 1)) == bucket;
            valid &= ++chained <= listed;
        }
    }
    for (unsigned class_index = 0; class_index < BIG_CLASS_COUNT; class_index++)
        valid &= class_counts[class_index] == stripe->class_counts[class_index];
    valid &= chained == listed && listed == atomic_load_explicit(&stripe->entries, memory_order_relaxed);
    *entries += listed;
    return valid;
}

bool big_table_is_valid(void)
{
    bool valid = true;
    uint32_t entries = 0;
    uint64_t bytes = 0;
    big_table_acquire_locks();
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        valid &= stripe_is_valid_locked(&stripes[i], &entries, &bytes);
    valid &= entries == big_table_entries() && bytes == big_table_bytes();
    big_table_release_locks();
    return valid;
}

void big_table_acquire_locks(void)
{
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        lock_acquire(&stripes[i].lock);
}

void big_table_release_locks(void)
{
    for (unsigned i = BIG_STRIPE_COUNT; i-- > 0;)
        lock_release(&stripes[i].lock);
}

void big_table_reset_locks(void)
{
    for (unsigned i = 0; i < BIG_STRIPE_COUNT; i++)
        lock_reset(&stripes[i].lock);
}
