/* big_table.h: the hash table of the BigCache: who is in it, in which order they came. What is worth
 * keeping, and for how long, is for big_cache.c.
 *
 *   hash(class, call site)    bucket = hash & (buckets - 1)     stripe = hash & 63
 *
 *   stripe 5:  lock, buckets --> heads[5] -> chunk <-> chunk      (bucket_next, bucket_previous)
 *                               heads[69]
 *                               heads[133] -> chunk
 *              oldest -> chunk <-> chunk <-> chunk <- newest      (list_next, list_previous)
 *
 * Buckets are a power of two >= 64, so bucket b and b + buckets have one stripe: doubling or halving is
 * the affair of one stripe at a time. A new number is published (stripes_set_buckets) and each stripe
 * follows when it is next locked. Heads have room for the maximum and never move. A change of the
 * hash function moves entries between stripes: it takes all locks at once.
 *
 * Written under the stripe's lock; atomics are relaxed, others may look. Stripes are locked in ascending
 * order where more than one is. An entry's frames, call_site and touched_bytes do not change. */
#ifndef HAK_BIG_TABLE_H
#define HAK_BIG_TABLE_H

#include "big_stripe.h"

/* Puts a chunk in: idle_since_ms, call_site, touched_bytes are set, it is in no list. */
void big_table_insert(struct chunk *chunk);
/* Takes a block of the request's frames to twice as many out: of the same class and call site
 * (*is_same_site tells), else of the same class, else of the class above; of several the one whose touched
 * pages suit best (big_stripe.h). NULL: none. */
struct chunk *big_table_take(const struct big_request *request, bool *is_same_site);
/* Takes the one out that policy (enum big_policy) says should leave first. LRU: the longest idle, as far
 * as the clock tells. LFU: the least used of the 4 longest idle of each of 8 stripes. NULL: none. */
struct chunk *big_table_take_victim(int policy, uint32_t now_ms);
/* Takes the oldest of a stripe out if it is idle for delay_ms. NULL: none is. */
struct chunk *big_table_take_idle(unsigned stripe_index, uint32_t now_ms, int64_t delay_ms);

/* Places all entries by this enum big_hash. */
void big_table_set_hash(int hash);

bool big_table_is_valid(void);
void big_table_acquire_locks(void);
void big_table_release_locks(void);
void big_table_reset_locks(void);

#endif
