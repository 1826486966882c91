/* big_table.h: the hash table of the BigCache: its entries, and the order in which they came. big_cache.c decides which
 * blocks are kept, and for how long.
 *
 *   hash(class, call site)    bucket = hash & (buckets - 1)     stripe = hash & 63
 *
 *   stripe 5:  lock, buckets --> heads[5] -> chunk <-> chunk      (bucket_next, bucket_previous)
 *                               heads[69]
 *                               heads[133] -> chunk
 *              oldest -> chunk <-> chunk <-> chunk <- newest      (list_next, list_previous)
 *
 * The number of buckets is a power of two >= 64, so buckets b and b + number belong to the same stripe, and each stripe
 * can double or halve its buckets alone. A new number is published (stripes_set_buckets), and each stripe adopts it when
 * it is next locked. Heads have room for the largest number and never move. A change of the hash function moves
 * entries between stripes, so it takes all locks at once.
 *
 * Everything is written under the stripe's lock. Atomics are relaxed, and any thread may read them. If more than one
 * stripe is locked, it is in ascending order. An entry's frames, call_site and touched_bytes do not change. */
#ifndef HAK_BIG_TABLE_H
#define HAK_BIG_TABLE_H

#include "big_stripe.h"

/* Inserts a chunk that is in no list and whose idle_since_ms, call_site and touched_bytes are set. */
void big_table_insert(struct chunk *chunk);
/* Takes out an entry with at least the request's frames and at most twice as many: one of the same class and call site
 * (then *is_same_site is true), else one of the same class, else one of the class above. Of several it takes the one
 * whose touched pages suit best (big_stripe.h). Returns NULL if there is none. */
struct chunk *big_table_take(const struct big_request *request, bool *is_same_site);
/* Takes out the entry that should leave first by policy (enum big_policy). LRU: the entry that has been idle for the
 * longest time, as far as the clock tells. LFU: the least used of the 4 longest idle entries of each of 8 stripes.
 * Returns NULL if there is none. */
struct chunk *big_table_take_victim(int policy, uint32_t now_ms);
/* Takes out the oldest entry of a stripe if it has been idle for delay_ms. Returns NULL if it has not. */
struct chunk *big_table_take_idle(unsigned stripe_index, uint32_t now_ms, int64_t delay_ms);

/* Places all entries anew, by the given hash function (enum big_hash). */
void big_table_set_hash(int hash);

bool big_table_is_valid(void);
void big_table_acquire_locks(void);
void big_table_release_locks(void);
void big_table_reset_locks(void);

#endif
