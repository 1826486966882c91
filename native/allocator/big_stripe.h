/* big_stripe.h: one stripe of the BigCache's table (drawing in big_table.h), for the files of big_table.h
 * alone. Everything _locked: under that stripe's lock.
 *
 * Of the entries that a request may take, one that a search weighs is better if its touched pages suffice
 * with fewer to spare, or lack fewer: every page that was never touched is a page fault to come, and every
 * one to spare is missing from a larger request. Address space costs neither. */
#ifndef HAK_BIG_STRIPE_H
#define HAK_BIG_STRIPE_H

#include "big_table.h"
#include "lock.h"

#define BIG_STRIPE_MASK (BIG_STRIPE_COUNT - 1)

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
