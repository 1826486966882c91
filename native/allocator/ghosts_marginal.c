/* ghosts_marginal.c: moves the slots of a thread's bins to where they save most exchanges. */
#include "ghosts.h"

#include "os.h"

#define LEAST_OBSERVED 256       /* a ghost that saw fewer operations knows nothing yet */
#define LEAST_SAVED 32           /* fewer exchanges are not worth a change */
#define LEAST_SAVED_PART 16      /* nor is less than one in so many of the thread's */
#define LEAST_SAVED_BYTES 4      /* nor is less than one byte in so many that the thread holds */
#define FREE_PART 64             /* a bin may give up slots if that costs at most one in so many of its exchanges, */
#define FREE_COUNT 1             /* and so many more */
#define LEAST_REST 4             /* share-outs */
#define MOVE_COUNT 4             /* exchanges that a bin may make because it got another capacity */
#define KEPT_PART 0.75           /* of what ghosts foretold before, at each share-out */

static struct marginal *marginal_of(const struct tls_cache *cache)
{
    return cache->ghosts ? cache->ghosts->marginal : NULL;
}

static uint8_t rung_of(uint32_t capacity)
{
    uint8_t rung = 0;
    while (rung + 1 < GHOST_COUNT && ghost_capacity(rung) < capacity)
        rung++;
    return rung;
}

void marginal_open(struct marginal *marginal, const struct bin *bin)
{
    marginal->bins[bin->class_index] =
        (struct marginal_bin){.shadow = bin->capacity, .wanted = bin->capacity, .rung = rung_of(bin->capacity), .rest = LEAST_REST};
}

void marginal_switch(struct tls_cache *cache)
{
    struct ghosts *ghosts = cache->ghosts;
    if (!ghosts || marginal_is_wanted() == (ghosts->marginal != NULL))
        return;
    if (ghosts->marginal) {
        ghosts->marginal = NULL;
        return;
    }
    if (!ghosts->spare_marginal)
        ghosts->spare_marginal = os_map(sizeof *ghosts->spare_marginal);
    ghosts->marginal = ghosts->spare_marginal;
    for (unsigned i = 0; ghosts->marginal && i < BIN_COUNT; i++)
        if (cache->bins[i].base)
            marginal_open(ghosts->marginal, &cache->bins[i]);
}

/* ---- the shadow ------------------------------------------------------------------------------------------------ */

/* The shadow has decided. A bin that grows under `threshold` grows here as well, and at once; what is too much for the budget
 * then goes with the next share-out. */
static void move_shadow(struct marginal_bin *mine, uint32_t capacity)
{
    if (mine->wanted == mine->shadow || (capacity > mine->shadow && capacity > mine->wanted))
        mine->wanted = capacity;
    mine->shadow = capacity;
    mine->rung = rung_of(capacity);
}

void marginal_follow(struct marginal *marginal, const struct bin *bin, const struct ghost *ghosts, uint32_t clock,
                     uint32_t position, bool is_sweep)
{
    struct marginal_bin *mine = &marginal->bins[bin->class_index];
    const struct ghost *ghost = &ghosts[mine->rung];
    bool is_exchange = position == ghost->start || position == ghost->start + ghost_capacity(mine->rung);
    bool is_decision = is_sweep || (is_exchange && ghost->exchanges + 1 >= SETTING(tls_adapt_refills));
    if (!is_decision)
        return;
    if (bin->capacity == mine->shadow || !ghost->is_awake) {
        mine->shadow_decided = clock;
        return;
    }
    struct limits limits = class_limits(bin->class_index);
    uint32_t low = ghost_distance(ghost->low, position) < 0 ? position : ghost->low;
    uint32_t high = ghost_distance(ghost->high, position) > 0 ? position : ghost->high;
    struct bin_usage usage = {.swing = proved_swing(low, high, ghost_capacity(mine->rung)),
                              .exchanges = ghost->exchanges + is_exchange,
                              .allocations = clock - mine->shadow_decided,
                              .is_one_way = mine->is_one_way};
    mine->shadow_decided = clock;
    move_shadow(mine, threshold_capacity(&limits, mine->shadow, &usage));
}

uint32_t marginal_decide(struct tls_cache *cache, const struct bin *bin, const struct limits *limits, uint32_t threshold)
{
    struct marginal *marginal = marginal_of(cache);
    if (!marginal)
        return threshold;
    struct marginal_bin *mine = &marginal->bins[bin->class_index];
    if (bin->exchanges >= ONE_WAY_EXCHANGES)
        mine->is_one_way = is_one_way(bin);
    if (bin->capacity == mine->shadow)
        move_shadow(mine, threshold);
    uint32_t allocations = ghost_clock(cache, bin) - cache->decided_at[bin->class_index];
    if (mine->wanted < mine->shadow && bin->exchanges > MOVE_COUNT + 2 * mine->foretold_rate * allocations) {
        mine->wanted = mine->shadow;
        mine->last_rest = (uint8_t)clamp_int64(mine->last_rest * 4, LEAST_REST, UINT8_MAX);
        mine->rest = mine->last_rest;
    }
    return (uint32_t)clamp_int64(mine->wanted, limits->minimum, limits->maximum);
}

/* ---- sharing out ------------------------------------------------------------------------------------------------ */

/* A bin that takes part in a share-out. Its steps are its ghosts' capacities, but its shadow stands for the ghost of `rung`. */
struct share {
    const struct marginal_bin *mine;
    uint32_t block_bytes, class_index;
    uint8_t floor, most, chosen;
    double foretold[GHOST_COUNT]; /* exchanges for all that was lately observed; -1: not known */
};

static int64_t bytes_at(const struct share *share, unsigned step)
{
    uint32_t capacity = step == share->mine->rung ? share->mine->shadow : ghost_capacity(step);
    return (int64_t)capacity * share->block_bytes;
}

/* Returns false if its ghosts do not know enough: then the bin keeps what it has. */
static bool begin_share(struct share *share, const struct marginal_bin *mine, unsigned class_index)
{
    struct limits limits = class_limits(class_index);
    uint32_t maximum = mine->is_one_way ? one_way_maximum(&limits) : limits.maximum;
    double all = mine->observed[GHOST_COUNT - 1]; /* the largest ghost hardly ever sleeps */
    *share = (struct share){.mine = mine, .block_bytes = size_classes[class_index].bytes, .class_index = class_index};
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        share->foretold[i] = mine->observed[i] < LEAST_OBSERVED ? -1 : mine->exchanges[i] / mine->observed[i] * all;
    share->most = mine->rung;
    while (share->most + 1 < GHOST_COUNT && ghost_capacity(share->most + 1u) <= maximum)
        share->most++;
    while (share->floor < mine->rung && ghost_capacity(share->floor) < limits.minimum)
        share->floor++;
    return mine->shadow >= limits.minimum && mine->shadow <= maximum && share->foretold[mine->rung] >= 0 &&
           share->foretold[rung_of(mine->wanted)] >= 0;
}

/* The smallest step at which the bin makes as many exchanges as at its shadow, or hardly more. */
static void find_floor(struct share *share)
{
    double at_shadow = share->foretold[share->mine->rung], most = at_shadow + at_shadow / FREE_PART + FREE_COUNT;
    uint8_t least = share->floor;
    share->floor = share->mine->rung;
    while (!share->mine->rest && share->floor > least && share->foretold[share->floor - 1] >= 0 &&
           share->foretold[share->floor - 1] <= most)
        share->floor--;
    share->chosen = share->floor;
}

/* The best way up from the chosen step: exchanges saved a byte. It may lead over steps that save nothing by themselves. Few
 * exchanges are not worth the bytes, as they do not hold a bin that gives up slots. */
static double best_step(const struct share *share, int64_t left_bytes, double free_exchanges, uint8_t *to)
{
    double best = 0, now = share->foretold[share->chosen];
    for (unsigned i = share->chosen + 1u; i <= share->most; i++) {
        int64_t bytes = bytes_at(share, i) - bytes_at(share, share->chosen);
        if (bytes > left_bytes || share->foretold[i] < 0 || now - share->foretold[i] <= free_exchanges)
            continue;
        double saved = (now - share->foretold[i]) / (double)bytes;
        if (saved > best) {
            best = saved;
            *to = (uint8_t)i;
        }
    }
    return best;
}

/* Returns what is left. */
static int64_t spend(struct share *shares, unsigned count, int64_t left_bytes, double free_exchanges)
{
    for (;;) {
        struct share *best_share = NULL;
        uint8_t best_to = 0;
        double best = 0;
        for (unsigned i = 0; i < count; i++) {
            uint8_t to = 0;
            double saved = best_step(&shares[i], left_bytes, free_exchanges, &to);
            if (saved > best) {
                best = saved;
                best_share = &shares[i];
                best_to = to;
            }
        }
        if (!best_share)
            return left_bytes;
        left_bytes -= bytes_at(best_share, best_to) - bytes_at(best_share, best_share->chosen);
        best_share->chosen = best_to;
    }
}

/* Old counts fade. */
static void fade(struct marginal_bin *mine)
{
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        mine->observed[i] *= KEPT_PART;
        mine->exchanges[i] *= KEPT_PART;
    }
}

static int64_t sum_bytes(const struct tls_cache *cache, const struct marginal *marginal, bool of_shadows)
{
    int64_t bytes = 0;
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        const struct marginal_bin *mine = &marginal->bins[i];
        if (cache->bins[i].base)
            bytes += (int64_t)(of_shadows ? mine->shadow : mine->wanted) * size_classes[i].bytes;
    }
    return bytes;
}

static NOINLINE void share_slots(struct tls_cache *cache, struct marginal *marginal)
{
    struct share shares[BIN_COUNT];
    int64_t budget = sum_bytes(cache, marginal, true);
    bool fits = sum_bytes(cache, marginal, false) <= budget;
    unsigned count = 0;
    double before = 0, after = 0; /* exchanges */
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        struct marginal_bin *mine = &marginal->bins[i];
        if (!cache->bins[i].base)
            continue;
        if (!fits)
            mine->wanted = mine->shadow;
        if (begin_share(&shares[count], mine, i))
            before += shares[count++].foretold[rung_of(mine->wanted)];
    }
    double free_exchanges = before / FREE_PART + FREE_COUNT;
    int64_t held = sum_bytes(cache, marginal, false), left_bytes = budget - held;
    for (unsigned i = 0; i < count; i++) {
        find_floor(&shares[i]);
        left_bytes += (int64_t)shares[i].mine->wanted * shares[i].block_bytes - bytes_at(&shares[i], shares[i].floor);
    }
    left_bytes = spend(shares, count, left_bytes, free_exchanges);
    for (unsigned i = 0; i < count; i++)
        after += shares[i].foretold[shares[i].chosen];
    bool saves_exchanges = before - after >= LEAST_SAVED && before - after >= before / LEAST_SAVED_PART;
    bool saves_bytes = left_bytes >= budget - held + held / LEAST_SAVED_BYTES && after <= before + 2 * free_exchanges;
    for (unsigned i = 0; i < count; i++) {
        struct marginal_bin *mine = &marginal->bins[shares[i].class_index];
        if (saves_exchanges || saves_bytes)
            mine->wanted = (uint32_t)(bytes_at(&shares[i], shares[i].chosen) / shares[i].block_bytes);
        mine->foretold_rate = 2 * shares[i].foretold[rung_of(mine->wanted)] / mine->observed[GHOST_COUNT - 1];
    }
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        fade(&marginal->bins[i]);
        marginal->bins[i].rest -= marginal->bins[i].rest > 0;
    }
}

void marginal_share(struct tls_cache *cache)
{
    struct marginal *marginal = marginal_of(cache);
    if (marginal)
        share_slots(cache, marginal);
}
