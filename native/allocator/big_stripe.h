/* big_stripe.h: the stripes of the BigCache's table (drawing in big_table.h), and their totals.
 * A function whose name ends in _locked is called under that stripe's lock.
 *
 * A search compares the entries that a request may take. An entry with enough touched pages is better than one with too
 * few. Among those with enough, the fewest are best, because a larger request will miss every page to spare. Among those
 * with too few, the most are best, because every untouched page will cost a page fault. Address space costs nothing. */
#ifndef HAK_BIG_STRIPE_H
#define HAK_BIG_STRIPE_H

#include "chunk.h"
#include "lock.h"

#define BIG_STRIPE_COUNT 64
#define BIG_MAX_BUCKETS (1u << 20)
#define BIG_CLASS_COUNT 8
#define BIG_STRIPE_MASK (BIG_STRIPE_COUNT - 1)

enum big_state { BIG_NEITHER, BIG_AT_USER, BIG_CACHED };

/* What an allocation looks for: `frames` to twice as many, and `bytes` in whole pages. */
struct big_request {
    uint32_t frames;
    size_t bytes, alignment;
    uint64_t call_site;
};

static inline uint32_t big_frames(uint64_t bytes)
{
    return (uint32_t)((bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
}

/* Class 0 has up to 2 MiB of frames, class 1 up to 4 MiB, class 2 up to 8 MiB ... class 7 more than 128 MiB. */
static inline unsigned big_class(uint32_t frames)
{
    unsigned class_index = frames <= 1 ? 0 : log2_floor(frames - 1) + 1;
    return class_index < BIG_CLASS_COUNT ? class_index : BIG_CLASS_COUNT - 1;
}

struct stripe {
    _Alignas(CACHE_LINE) struct lock lock;
    uint32_t buckets; /* 0 until it follows the published number for the first time */
    _Atomic uint32_t entries;
    _Atomic uint32_t oldest_ms; /* idle_since_ms of the oldest entry */
    struct chunk *oldest, *newest;
    uint32_t class_counts[BIG_CLASS_COUNT];
};
_Static_assert(sizeof(struct stripe) == CACHE_LINE, "one line a stripe");

extern struct stripe big_stripes[BIG_STRIPE_COUNT];
extern _Atomic uint64_t big_class_stripes[BIG_CLASS_COUNT];

static inline unsigned stripe_index(const struct stripe *stripe)
{
    return (unsigned)(stripe - big_stripes);
}

bool stripes_start(uint32_t buckets);
uint32_t stripes_entries(void);
uint64_t stripes_bytes(void); /* sum of all touched_bytes, which are whole pages */
void stripes_publish(void);   /* publishes the totals again: threads that counted at once may have left an older number */
uint32_t stripes_buckets(void);
/* Returns true if this call changed the number from `former`. Both are powers of two from 64 to BIG_MAX_BUCKETS. */
bool stripes_set_buckets(uint32_t former, uint32_t buckets);

/* The hash function (enum big_hash) by which entries are placed. It is changed under all locks. */
uint32_t stripes_placed_by(void);
void stripes_place_by(uint32_t hash_kind);
uint32_t stripe_hash(const struct chunk *chunk);
/* Locks and returns the stripe of a key, and sets *hash to the key's hash. */
struct stripe *stripe_lock_key(unsigned class_index, uint64_t call_site, uint32_t *hash);
/* Brings the stripe to the published number of buckets. */
void stripe_follow_locked(struct stripe *stripe);
void stripe_clear_heads_locked(struct stripe *stripe);

/* Both add the chunk as the stripe's newest entry. `place` is for a chunk that was an entry before: it leaves the totals
 * as they are. */
void stripe_insert_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash);
void stripe_place_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash);
void stripe_remove_locked(struct stripe *stripe, struct chunk *chunk);
/* Both take out the best entry of a class: the first of those with the request's call site, the second of all. They
 * return NULL if there is none. */
struct chunk *stripe_take_of_site_locked(struct stripe *stripe, const struct big_request *request, unsigned class_index,
                                         uint32_t hash);
struct chunk *stripe_take_of_class_locked(struct stripe *stripe, const struct big_request *request,
                                          unsigned class_index);

/* Adds the stripe's entries and bytes to *entries and *bytes. */
bool stripe_is_valid_locked(struct stripe *stripe, uint32_t *entries, uint64_t *bytes);

#endif
