/* big_copies.h: what the BigCache would do if it kept more bytes or fewer, or for a longer or shorter time. A copy is a
 * BigCache of one size (big_ladder.def) without memory: it knows which blocks it would hold. All copies see the same
 * blocks taken and given back, so they share one list of what lies free in any of them:
 *
 *   oldest <-> entry <-> entry <-> entry <-> newest        entry.copies: bit i is set if copy i holds it
 *                        ^ first[3]: copy 3 holds nothing older
 *
 * A block that is given back enters each copy that it fits in. A copy with too many bytes lets the entry go that big.policy
 * chooses: the oldest, or (LFU) the least used of its LFU_ENTRIES oldest. A block that is taken leaves each copy, which
 * gives what it has by the rules of the BigCache: an entry of the same class and call site, else one of the class,
 * else one of the class above, and always the newest. Such a hit is counted at the shortest delay under which the entry would
 * still be there. Under LRU this is exact, because what a shorter delay gives back is older than all that is kept.
 *
 * There are at most BIG_COPY_ENTRIES entries. When more are needed, half of the keys (class and call site) leave at random:
 * the copies become samples, with half of the bytes each, and what they count is counted twice as often. Once no
 * entry is left, all keys count again.
 *
 * A copy that has a block for a request may have a larger one than was wanted. So a block at the program remembers what the
 * copies had for it (struct big_copied). When it is given back, each gets its own again, and those that had none a new one.
 *
 * What is simplified: at most BIG_COPIED different blocks are remembered. Of several entries the BigCache takes the one whose touched pages suit best, not the newest, and it
 * looks further before it finds nothing. It keeps nothing that a burst gave back (retention.h); so real caches hold less
 * than copies, unless ss.purge_delay_ms is -1.
 *
 * big_ghosts.c applies this while a program runs, native/models to the events of a trace. The caller holds a lock. */
#ifndef HAK_BIG_COPIES_H
#define HAK_BIG_COPIES_H

#include "big_stripe.h"
#include "telemetry.h"

#define BIG_COPY_ENTRIES 2048
#define BIG_COPY_CHAINS 512

/* A block that lies free. */
struct big_copy_block {
    uint64_t call_site;
    uint64_t bytes; /* as touched_bytes of a chunk */
    uint32_t frames;
    uint16_t uses;         /* how often it was taken from a copy by its call site */
    uint8_t log_alignment; /* of its first frame */
};

struct big_copy_entry {
    struct big_copy_block block;
    uint32_t idle_since_ms, hash;
    uint16_t copies;
    uint16_t newer, older, chain_next; /* indices; 0: none */
};

struct big_copies {
    uint64_t bytes[BIG_SIZE_COUNT];
    uint32_t shift; /* one of 2^shift keys counts */
    uint16_t count, newest, oldest;
    uint16_t spare; /* the first of the entries that were in use and are not now, linked by `older` */
    uint16_t used;  /* entries that were ever in use */
    uint16_t first[BIG_SIZE_COUNT];
    uint16_t chains[BIG_COPY_CHAINS]; /* by hash of class and call site, newest first */
    struct big_copy_entry entries[BIG_COPY_ENTRIES + 1]; /* entry 0 is none */
};

/* The values of big_ladder.def. */
extern const uint64_t big_copy_bytes[BIG_SIZE_COUNT];
extern const int32_t big_copy_delays_ms[BIG_DELAY_COUNT];

/* Copies begin empty: all bytes 0. */
void big_copies_forget(struct big_copies *copies);
/* A block is wanted. Counts it in `told`, and writes down what the copies had for it. */
void big_copies_take(struct big_copies *copies, struct telemetry_big_copies *told, const struct big_request *request,
                     uint32_t now_ms, struct big_copied copied[BIG_COPIED]);
/* It is given back: frames and bytes are what it needs, uses is 0; `copied` is what the copies had for it. */
void big_copies_give(struct big_copies *copies, const struct big_copy_block *block,
                     const struct big_copied copied[BIG_COPIED], uint32_t now_ms, int policy);
bool big_copies_are_valid(const struct big_copies *copies);

#endif
