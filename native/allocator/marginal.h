/* marginal.h: tls.policy=marginal: a thread's bins share among them what they would hold under `threshold`.
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
#ifndef HAK_MARGINAL_H
#define HAK_MARGINAL_H

#include "bin_limits.h"
#include "ghosts.h"

struct marginal_bin {
    uint32_t shadow, wanted; /* capacities: that of `threshold`, and that of the last share-out */
    uint8_t rung;            /* the smallest ghost that is no smaller than the shadow */
    uint8_t is_one_way;      /* as the bin was when it last had exchanges enough to tell */
    uint8_t rest, last_rest; /* share-outs in which it gives nothing up: how many are left, and how many they were */
    uint32_t decided;        /* the clock of its ghosts when the bin last decided */
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
void marginal_follow(struct marginal *marginal, const struct bin *bin, const struct ghost *ghosts, uint32_t position,
                     bool is_sweep);
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
