/* big_stripe.h: the stripes of the BigCache's table (drawing in big_table.h), and what all of them hold together.
 * A function whose name ends in _locked is called under that stripe's lock.
 *
 * Of the entries that a request may take, one that a search weighs is better if its touched pages suffice
 * with fewer to spare, or lack fewer: every page that was never touched is a page fault to come, and every
 * one to spare is missing from a larger request. Address space costs neither. */
#ifndef HAK_BIG_STRIPE_H
#define HAK_BIG_STRIPE_H

#include "chunk.h"
#include "lock.h"

#define BIG_STRIPE_COUNT 64
#define BIG_MAX_BUCKETS (1u << 20)
#define BIG_CLASS_COUNT 8
#define BIG_STRIPE_MASK (BIG_STRIPE_COUNT - 1)

enum big_state { BIG_NEITHER, BIG_AT_USER, BIG_CACHED };

/* What an allocation looks for: frames (to twice as many), whole pages of bytes, an alignment. */
struct big_request {
    uint32_t frames;
    size_t bytes, alignment;
    uint64_t call_site;
};

/* (0, 2] MiB of frames: 0, (2, 4]: 1, (4, 8]: 2 ... above 128 MiB: 7. */
static inline unsigned big_class(uint32_t frames)
{
    unsigned class_index = frames <= 1 ? 0 : log2_floor(frames - 1) + 1;
    return class_index < BIG_CLASS_COUNT ? class_index : BIG_CLASS_COUNT - 1;
}

struct stripe {
    _Alignas(CACHE_LINE) struct lock lock;
    uint32_t buckets;
    _Atomic uint32_t entries;
    _Atomic uint32_t oldest_ms; /* since when the oldest is idle */
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
uint64_t stripes_bytes(void); /* sum of touched_bytes, which are whole pages */
void stripes_publish(void);   /* to telemetry, where concurrent counts may have left an older number */
uint32_t stripes_buckets(void);
/* True if this call changed them from `former`. Both powers of two, 64 to BIG_MAX_BUCKETS. */
bool stripes_set_buckets(uint32_t former, uint32_t buckets);

/* The enum big_hash that entries are placed by; changed under all locks. */
uint32_t stripes_placed_by(void);
void stripes_place_by(uint32_t hash_kind);
uint32_t stripe_hash(const struct chunk *chunk);
/* The stripe of a key, locked; *hash as it is placed by. */
struct stripe *stripe_lock_key(unsigned class_index, uint64_t call_site, uint32_t *hash);
/* Brings the stripe to the number of buckets asked for. */
void stripe_follow_locked(struct stripe *stripe);
void stripe_clear_heads_locked(struct stripe *stripe);

/* As the newest entry. `place` counts it nowhere: it was an entry before. */
void stripe_insert_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash);
void stripe_place_locked(struct stripe *stripe, struct chunk *chunk, uint32_t hash);
void stripe_remove_locked(struct stripe *stripe, struct chunk *chunk);
/* The best entry of a class and the request's call site, or of a class and any site, taken out. NULL: none. */
struct chunk *stripe_take_of_site_locked(struct stripe *stripe, const struct big_request *request, unsigned class_index,
                                         uint32_t hash);
struct chunk *stripe_take_of_class_locked(struct stripe *stripe, const struct big_request *request,
                                          unsigned class_index);

/* Adds its entries and bytes to the sums. */
bool stripe_is_valid_locked(struct stripe *stripe, uint32_t *entries, uint64_t *bytes);

#endif
