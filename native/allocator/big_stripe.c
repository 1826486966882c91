/* big_stripe.c: one stripe of the BigCache's table: its buckets, its list in order of age, its counts. */
#include "big_stripe.h"

#include "os.h"
#include "range.h"
#include "registry.h"
#include "settings.h"
#include "telemetry.h"

#define SEARCH_ENTRIES 32 /* one search weighs at most so many entries */
#define CLOSE_DIVISOR 8   /* an entry with up to an eighth more pages than wanted ends the search */

struct stripe big_stripes[BIG_STRIPE_COUNT];
static struct chunk **heads; /* mapped for the current number of buckets (range.h); without a range for the largest */

/* One bit for each stripe, which is set if the stripe may hold an entry of the class. It is written under the stripe's
 * lock. Only a search that finds nothing clears it, so that a list that empties and fills again does not write here. */
_Alignas(CACHE_LINE) _Atomic uint64_t big_class_stripes[BIG_CLASS_COUNT];
_Static_assert(sizeof big_class_stripes == CACHE_LINE, "a line of their own");

static _Alignas(CACHE_LINE) _Atomic uint32_t bucket_count; /* the published number, which each stripe adopts */
static _Alignas(CACHE_LINE) _Atomic uint32_t placed_by;    /* enum big_hash; written under all locks */
/* Every block that comes or goes writes this, so it has a cache line of its own, and the words above, which all threads
 * read, stay in the processors' caches. The word counts entries from bit PAGE_BITS up and pages below, of all
 * stripes, so that one addition counts both. It is changed under a stripe's lock, so it is exact while all are held. */
static struct {
    _Alignas(CACHE_LINE) _Atomic uint64_t word;
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

uint32_t stripes_entries(void)
{
    return entries_in(atomic_load_explicit(&totals.word, memory_order_relaxed));
}

uint64_t stripes_bytes(void)
{
    return bytes_in(atomic_load_explicit(&totals.word, memory_order_relaxed));
}

/* These are plain stores: if two threads publish at once, the older number may stay until the next block is counted. */
static void publish_totals(uint64_t word)
{
    telemetry_set(&telemetry->global.big_entries, entries_in(word));
    telemetry_set(&telemetry->global.big_bytes, bytes_in(word));
}

void stripes_publish(void)
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

uint32_t stripes_buckets(void)
{
    return atomic_load_explicit(&bucket_count, memory_order_relaxed);
}

static bool reach_heads(uint32_t buckets)
{
    return !range.base || range_table_reach(RANGE_BIG_HEADS, buckets * sizeof *heads);
}

bool stripes_set_buckets(uint32_t former, uint32_t buckets)
{
    if (!reach_heads(buckets))
        return false;
    if (!atomic_compare_exchange_strong_explicit(&bucket_count, &former, buckets, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    telemetry_set(&telemetry->global.big_buckets, buckets);
    return true;
}

bool stripes_start(uint32_t buckets)
{
    heads = range.base ? range_table(RANGE_BIG_HEADS) : os_map(BIG_MAX_BUCKETS * sizeof *heads);
    if (!heads || !reach_heads(buckets))
        return false;
    stripes_place_by((uint32_t)SETTING(big_hash));
    atomic_store_explicit(&bucket_count, buckets, memory_order_relaxed);
    telemetry_set(&telemetry->global.big_buckets, buckets);
    return true;
}

uint32_t stripes_placed_by(void)
{
    return atomic_load_explicit(&placed_by, memory_order_relaxed);
}

void stripes_place_by(uint32_t hash_kind)
{
    atomic_store_explicit(&placed_by, hash_kind, memory_order_relaxed);
}

/* ---- which bucket ------------------------------------------------------------------------------- */

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

uint32_t stripe_hash(const struct chunk *chunk)
{
    return hash_key(stripes_placed_by(), big_class(chunk->frames), chunk->call_site);
}

static void chain_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash)
{
    struct chunk **head = &heads[hash & (stripe->buckets - 1)];
    chunk->hash = hash;
    chunk->bucket_previous = NULL;
    chunk->bucket_next = *head;
    if (*head)
        (*head)->bucket_previous = chunk;
    *head = chunk;
}

void stripe_clear_heads_locked(struct stripe *stripe)
{
    for (uint32_t bucket = stripe_index(stripe); bucket < stripe->buckets; bucket += BIG_STRIPE_COUNT)
        heads[bucket] = NULL;
}

void stripe_follow_locked(struct stripe *stripe)
{
    uint32_t buckets = stripes_buckets();
    if (LIKELY(stripe->buckets == buckets))
        return;
    stripe_clear_heads_locked(stripe);
    stripe->buckets = buckets;
    /* The oldest entry is chained first, so that the newest comes first in its chain. */
    for (struct chunk *chunk = stripe->oldest; chunk; chunk = chunk->list_next)
        chain_locked(stripe, chunk, chunk->hash);
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
        !(atomic_load_explicit(&big_class_stripes[class_index], memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(&big_class_stripes[class_index], bit, memory_order_relaxed);
    uint32_t entries = atomic_load_explicit(&stripe->entries, memory_order_relaxed);
    atomic_store_explicit(&stripe->entries, entries + 1, memory_order_relaxed);
}

void stripe_place_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash)
{
    chain_locked(stripe, chunk, hash);
    append_locked(stripe, chunk);
}

void stripe_insert_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash)
{
    stripe_place_locked(stripe, chunk, hash);
    count_in(chunk);
}

void stripe_remove_locked(struct stripe *stripe, struct chunk *chunk)
{
    if (chunk->bucket_previous)
        chunk->bucket_previous->bucket_next = chunk->bucket_next;
    else
        heads[chunk->hash & (stripe->buckets - 1)] = chunk->bucket_next;
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

struct stripe *stripe_lock_key(unsigned class_index, uint64_t call_site, uint32_t *hash)
{
    for (;;) {
        uint32_t kind = atomic_load_explicit(&placed_by, memory_order_relaxed);
        *hash = hash_key(kind, class_index, call_site);
        struct stripe *stripe = &big_stripes[*hash & BIG_STRIPE_MASK];
        lock_acquire(&stripe->lock);
        if (LIKELY(atomic_load_explicit(&placed_by, memory_order_relaxed) == kind)) {
            stripe_follow_locked(stripe);
            return stripe;
        }
        lock_release(&stripe->lock); /* the hash function changed meanwhile */
    }
}

/* ---- searches ----------------------------------------------------------------------------------- */

static bool fits(const struct chunk *chunk, const struct big_request *request, unsigned class_index)
{
    return chunk->frames >= request->frames && chunk->frames <= 2 * request->frames &&
           big_class(chunk->frames) == class_index && ((uintptr_t)chunk->base & (request->alignment - 1)) == 0;
}

/* Sets *best to the chunk if its touched pages suit better (big_stripe.h). Returns true if it suits so well that the
 * search may end. */
static bool weigh(struct chunk **best, struct chunk *chunk, size_t wanted)
{
    size_t touched = chunk->touched_bytes, most = *best ? (*best)->touched_bytes : 0;
    if (touched >= wanted ? most < wanted || touched < most : touched >= most)
        *best = chunk;
    return touched >= wanted && touched - wanted <= wanted / CLOSE_DIVISOR;
}

struct chunk *stripe_take_of_site_locked(struct stripe *stripe, const struct big_request *request, unsigned class_index,
                                         uint32_t hash)
{
    struct chunk *best = NULL;
    unsigned weighed = 0;
    for (struct chunk *chunk = heads[hash & (stripe->buckets - 1)]; chunk; chunk = chunk->bucket_next)
        if (chunk->call_site == request->call_site && fits(chunk, request, class_index))
            if (weigh(&best, chunk, request->bytes) || ++weighed == SEARCH_ENTRIES)
                break;
    if (best)
        stripe_remove_locked(stripe, best);
    return best;
}

struct chunk *stripe_take_of_class_locked(struct stripe *stripe, const struct big_request *request,
                                          unsigned class_index)
{
    if (stripe->class_counts[class_index] == 0) {
        atomic_fetch_and_explicit(&big_class_stripes[class_index], ~(UINT64_C(1) << stripe_index(stripe)),
                                  memory_order_relaxed);
        return NULL;
    }
    /* The search begins with the oldest, which its own call site is least likely to want again. */
    struct chunk *best = NULL, *chunk = stripe->oldest;
    for (unsigned i = 0; chunk && i < SEARCH_ENTRIES; i++, chunk = chunk->list_next)
        if (fits(chunk, request, class_index) && weigh(&best, chunk, request->bytes))
            break;
    if (best)
        stripe_remove_locked(stripe, best);
    return best;
}

/* ---- checks ------------------------------------------------------------------------------------- */

bool stripe_is_valid_locked(struct stripe *stripe, uint32_t *entries, uint64_t *bytes)
{
    bool valid = true;
    uint32_t listed = 0, chained = 0, class_counts[BIG_CLASS_COUNT] = {0};
    struct chunk *previous = NULL;
    for (struct chunk *chunk = stripe->oldest; chunk && valid; previous = chunk, chunk = chunk->list_next) {
        unsigned class_index = big_class(chunk->frames);
        valid &= chunk->list_previous == previous && chunk_kind(chunk) == CHUNK_BIG;
        valid &= atomic_load_explicit(&chunk->big_state, memory_order_relaxed) == BIG_CACHED;
        valid &= stripe_hash(chunk) == chunk->hash && (chunk->hash & BIG_STRIPE_MASK) == stripe_index(stripe);
        valid &= chunk->touched_bytes <= (size_t)chunk->frames * CHUNK_BYTES;
        valid &= registry_find(chunk->base) == chunk;
        valid &= registry_find(chunk->base + (size_t)chunk->frames * CHUNK_BYTES - 1) == chunk;
        valid &= atomic_load_explicit(&big_class_stripes[class_index], memory_order_relaxed) >> stripe_index(stripe) & 1;
        class_counts[class_index]++;
        *bytes += chunk->touched_bytes;
        listed++;
    }
    valid &= stripe->newest == previous;
    for (uint32_t bucket = stripe_index(stripe); bucket < stripe->buckets; bucket += BIG_STRIPE_COUNT) {
        previous = NULL;
        for (struct chunk *chunk = heads[bucket]; chunk && valid; previous = chunk, chunk = chunk->bucket_next) {
            valid &= chunk->bucket_previous == previous;
            valid &= (chunk->hash & (stripe->buckets - 1)) == bucket;
            valid &= ++chained <= listed;
        }
    }
    for (unsigned class_index = 0; class_index < BIG_CLASS_COUNT; class_index++)
        valid &= class_counts[class_index] == stripe->class_counts[class_index];
    valid &= chained == listed && listed == atomic_load_explicit(&stripe->entries, memory_order_relaxed);
    *entries += listed;
    return valid;
}
