/* ghosts.h: what the caches of a thread would do if they had another capacity. A ghost is a bin of a fixed capacity
 * without blocks. It is moved by the same rules of refill and flush as a bin of that capacity, and counts both. Each bin
 * has GHOST_COUNT ghosts, of 16, 32 ... 4096 slots.
 *
 *   position    start                                   start + capacity
 *   (bin.h)       |------ fill ------|---- room ----------|
 *             refill if a pop        ^ position        flush if a push
 *             would go below                           would go beyond
 *
 * All ghosts of a bin see the same position, because it depends only on what the thread allocates and frees. So a ghost
 * has something to do only where the position reaches an end of its range, or the highest or lowest position that it has
 * noted. The bin's floor and limit stand at the nearest of these (ghosts_mark), and the fast path pays nothing.
 *
 * A ghost that is no smaller than the bin never sleeps: it is moved about as often as the bin takes the slow path. A
 * smaller one has to be moved more often, so it is sampled: it is awake for a window of allocations and then asleep, for
 * 2^shift windows on average. The length of the gap is drawn before it begins, and what the window after the gap counts
 * stands for both. So whether a ghost is awake does not depend on what happens meanwhile, and the counts are unbiased. Window
 * and shift follow from what was counted before (`adapt`): the first FREE_EXCHANGES of the process cost what they cost, and
 * afterwards no window decides alone. A ghost that wakes is where it fell asleep, but brought back into reach of the position;
 * what it does at first, until its past no longer matters, is not counted.
 *
 * An estimate for an interval is (refills + flushes) / observed * operations, of one class and capacity: these are the
 * increments of the metrics ghost.*. The root of ghost.variance's increment is its standard error.
 *
 * Only the cache's own thread uses its ghosts. */
#ifndef HAK_GHOSTS_H
#define HAK_GHOSTS_H

#include "bin_limits.h"
#include "ghost_rules.h"

#define ALLOCATIONS_PER_EXCHANGE 32768
#define FREE_EXCHANGES 65536 /* so many are counted before any ghost sleeps; they take some 20 ms */
#define WINDOWS_OF_ALL 12 /* a window adds at most 1 in so many to what all foretold before */
#define MOST_IN_WINDOW 8  /* exchanges; a window with more is followed by a shorter one */
#define FIRST_LOG_WINDOW 9 /* logarithms to base 2 */
#define LEAST_LOG_WINDOW 6
#define MOST_LOG_WINDOW 16
#define MOST_SHIFT 13

/* The clock of a bin's ghosts: accounted allocations. */
static inline uint32_t ghost_clock(const struct tls_cache *cache, const struct bin *bin)
{
    return (uint32_t)telemetry_get(&cache->row->classes[bin->class_index].allocations);
}

struct ghosts {
    uint32_t random;
    uint32_t most_shift; /* MOST_SHIFT; 0 in tests that want exact counts */
    struct marginal *marginal;       /* NULL unless tls.policy is marginal (see below) */
    struct marginal *spare_marginal; /* its memory, which is kept */
    struct ghost_bin bins[BIN_COUNT];
};

/* Switches the ghosts of a thread on or off, as ghost.enable and tls.policy say. If there is no memory for them they stay off, and the
 * next call tries again. */
void ghosts_switch(struct tls_cache *cache);

/* Called when a bin has got slots: its ghosts begin empty. */
void ghosts_open_now(struct tls_cache *cache, const struct bin *bin);
/* Called when the bin has got another capacity: ends the comparison with its ghost, and begins the next. */
void ghosts_resize_now(struct tls_cache *cache, const struct bin *bin);
/* Called before a bin loses its slots: publishes what its ghosts counted. */
void ghosts_close_now(struct tls_cache *cache, const struct bin *bin);
/* Called on each slow path, when the allocations are accounted, before the block is popped or pushed. */
void ghosts_pop(struct tls_cache *cache, struct bin *bin, uint32_t position);
void ghosts_push_now(struct tls_cache *cache, struct bin *bin);
static inline void ghosts_see_pop(struct tls_cache *cache, struct bin *bin)
{
    if (LIKELY(cache->ghosts == NULL))
        return;
    const struct ghost_bin *mine = &cache->ghosts->bins[bin->class_index];
    uint32_t position = position_of(bin);
    if ((int32_t)(position - mine->below) <= 0 || (int32_t)(mine->turn - bin->countdown - ghost_clock(cache, bin)) < 0)
        ghosts_pop(cache, bin, position);
}

/* All ghosts of the bin give their blocks back, as the bin does. */
void ghosts_flush_now(struct tls_cache *cache, const struct bin *bin);
/* All ghosts of the bin decide, as all bins do after tls.adapt_ms, and publish. */
void ghosts_decide_now(struct tls_cache *cache, const struct bin *bin);
/* Puts the bin's floor and limit where the bin, or one of its ghosts that are awake, next has something to note. */
void ghosts_mark_now(struct tls_cache *cache, struct bin *bin);

/* The same if ghosts are on. */
#define GHOSTS_IF_ON(name, qualifier)                                             \
    static inline void ghosts_##name(struct tls_cache *cache, qualifier struct bin *bin) \
    {                                                                             \
        if (UNLIKELY(cache->ghosts != NULL))                                      \
            ghosts_##name##_now(cache, bin);                                      \
    }
GHOSTS_IF_ON(push, )
GHOSTS_IF_ON(open, const)
GHOSTS_IF_ON(close, const)
GHOSTS_IF_ON(resize, const)
GHOSTS_IF_ON(flush, const)
GHOSTS_IF_ON(decide, const)
GHOSTS_IF_ON(mark, )
#undef GHOSTS_IF_ON

bool ghosts_are_valid(const struct tls_cache *cache, const struct bin *bin);

/* ---- tls.policy=marginal (ghosts_marginal.c) ---- */

/* A thread's bins share among them what they would hold under `threshold`.
 *
 * Each bin has a *shadow*: the capacity that `threshold` would give it. While the bin has that capacity, its own decisions
 * move the shadow; otherwise the ghost nearest to the shadow decides, by the same rule. The budget of the thread is the sum
 * of the shadows in bytes. Every tls.adapt_ms a share-out looks at what the ghosts foretold in the last few such times. Each
 * bin may give up slots as long as it makes hardly more exchanges, and what they all gave up goes, step by step, where a
 * byte saves most exchanges. What no bin needs is not held. Unless that saves a good part of the thread's
 * exchanges or of the bytes, nothing moves. A bin that gave slots up and then makes clearly more exchanges than foretold
 * gets them back at once, and gives none up for a while, each time for longer.
 *
 * All this happens on slow paths. Only the cache's own thread uses it. */
struct marginal_bin {
    uint32_t shadow, wanted; /* capacities: that of `threshold`, and that of the last share-out */
    uint8_t rung;            /* the smallest ghost that is no smaller than the shadow */
    uint8_t is_one_way;      /* as the bin was when it last had exchanges enough to tell */
    uint8_t rest, last_rest; /* share-outs in which it gives nothing up: how many are left, and how many they were */
    uint32_t shadow_decided; /* the clock of its ghosts when that of the shadow last decided */
    double foretold_rate;    /* exchanges an allocation at the capacity of the last share-out */
    /* What each ghost lately saw and foretold. A share-out takes a quarter off, so that old counts fade. */
    double observed[GHOST_COUNT], exchanges[GHOST_COUNT];
};

struct marginal {
    struct marginal_bin bins[BIN_COUNT];
};

static inline bool marginal_is_wanted(void)
{
    return SETTING(tls_policy) == TLS_MARGINAL && SETTING(tls_adaptive);
}

/* Switches it on or off for the bins in use, when settings are adopted. Without memory the policy stays `threshold`. */
void marginal_switch(struct tls_cache *cache);
/* Called when a bin has got slots. */
void marginal_open(struct marginal *marginal, const struct bin *bin);
/* Called when ghost `index` publishes what it saw. */
static inline void marginal_note(struct marginal *marginal, unsigned class_index, unsigned index, int64_t observed,
                                 int64_t exchanges)
{
    marginal->bins[class_index].observed[index] += (double)observed;
    marginal->bins[class_index].exchanges[index] += (double)exchanges;
}
/* Called before the bin's ghosts see an operation at this position (is_sweep: before they decide): if the shadow's ghost is
 * about to decide, the shadow does. */
void marginal_follow(struct marginal *marginal, const struct bin *bin, const struct ghost *ghosts, uint32_t clock,
                     uint32_t position, bool is_sweep);
/* The smallest capacity whose ghost must not sleep. */
static inline uint32_t marginal_least_awake(const struct marginal *marginal, const struct bin *bin)
{
    uint32_t shadow = marginal ? marginal->bins[bin->class_index].shadow : bin->capacity;
    return shadow < bin->capacity ? shadow : bin->capacity;
}

/* The capacity for a bin that decides, where `threshold` would give it another or the same. */
uint32_t marginal_decide(struct tls_cache *cache, const struct bin *bin, const struct limits *limits, uint32_t threshold);
/* Shares the budget out anew, if the policy is on. The caller then lets all bins decide. */
void marginal_share(struct tls_cache *cache);

#endif
