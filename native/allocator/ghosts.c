/* ghosts.c: moves ghosts, and samples them. */
#include "ghosts.h"

#include "control.h"
#include "os.h"

#define LEAST_CHECKED 8              /* fewer exchanges of a real cache tell nothing */
#define ENOUGH_CHECKED 256           /* so many end a comparison also if the capacity stays */
#define LONG_RUN 65536               /* so many frees more than allocations end what is awake */

/* Window and shift that new ghosts begin with: those of the ghost that slept or woke last. 0: none did. Relaxed: any
 * values give unbiased counts. */
static _Atomic uint16_t usual_rhythms[BIN_COUNT][GHOST_COUNT];
static struct ghost_source sources[BIN_COUNT][GHOST_COUNT];
/* Exchanges of all classes that the ghosts of a capacity have foretold so far. Relaxed: only how long ghosts sleep depends
 * on it. */
static _Atomic uint64_t foretold[GHOST_COUNT];
static _Atomic uint64_t counted; /* exchanges that ghosts really made; relaxed, likewise */

static uint32_t next_random(struct ghosts *ghosts)
{
    ghosts->random ^= ghosts->random << 13;
    ghosts->random ^= ghosts->random >> 17;
    ghosts->random ^= ghosts->random << 5;
    return ghosts->random;
}

/* ---- sampling ------------------------------------------------------------------------------------------------ */

/* Moves a ghost that slept to the position, as if the thread had gone there straight. Its swing goes with it. */
static void carry(struct ghost *ghost, uint32_t capacity, unsigned class_index, uint32_t position)
{
    uint32_t start = ghost->start;
    int32_t fill = ghost_distance(start, position);
    if (fill < 0) {
        uint32_t blocks = refill_blocks(class_index, capacity, MOST_DOUBLINGS);
        ghost->start -= ((uint32_t)-fill + blocks - 1) / blocks * blocks;
    } else if ((uint32_t)fill > capacity) {
        uint32_t blocks = flush_blocks(capacity, capacity, 0, true);
        ghost->start += ((uint32_t)fill - capacity + blocks - 1) / blocks * blocks;
    }
    ghost->low += ghost->start - start;
    ghost->high += ghost->start - start;
    if (ghost_distance(ghost->low, position) < 0)
        ghost->low = position;
    if (ghost_distance(ghost->high, position) > 0)
        ghost->high = position;
}

static void place_far(struct ghost_bin *bin, unsigned index, uint32_t position)
{
    bin->lower[index] = position - FAR;
    bin->upper[index] = position + FAR;
}

static void place_all(struct ghost_bin *bin, uint32_t position)
{
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        if (bin->ghosts[i].is_awake)
            ghost_place(bin, i, position);
    ghost_find_nearest(bin, position);
}

/* Allocations and frees between two moments. The last allocation may be counted before it is done. */
static int64_t operations_between(uint32_t clock, uint32_t position, uint32_t later_clock, uint32_t later_position)
{
    int32_t allocations = ghost_distance(clock, later_clock), frees = allocations + ghost_distance(position, later_position);
    return allocations + (frees > 0 ? frees : 0);
}

static void publish_operations(struct ghost_bin *bin, unsigned class_index, uint32_t clock, uint32_t position)
{
    int64_t operations = operations_between(bin->told, bin->told_position, clock, position);
    telemetry_add(&telemetry->classes[class_index].ghost_operations, operations);
    bin->told = clock;
    bin->told_position = position;
}

/* What a window counted, multiplied to stand for the gap before it as well. */
static int64_t weigh(const struct ghost *ghost, int64_t count)
{
    return count + (count * ghost->gap >> ghost->log_window);
}

static void publish(const struct ghosts *ghosts, struct ghost_bin *bin, unsigned class_index, unsigned index, uint32_t clock,
                    uint32_t position)
{
    struct telemetry_ghost *row = &telemetry->ghosts[class_index].of_capacity[index];
    struct ghost *ghost = &bin->ghosts[index];
    int64_t operations = operations_between(ghost->began, ghost->began_position, clock, position);
    int64_t refills = weigh(ghost, ghost->refills), flushes = weigh(ghost, ghost->flushes);
    if (ghosts->marginal)
        marginal_note(ghosts->marginal, class_index, index, weigh(ghost, operations), refills + flushes);
    telemetry_add(&row->observed, weigh(ghost, operations));
    telemetry_add(&row->held, weigh(ghost, operations * (position - ghost->start)));
    if (UNLIKELY(index == bin->checked)) {
        bin->seen_operations += operations;
        bin->seen_exchanges += ghost->refills + ghost->flushes;
    }
    if (refills)
        telemetry_add(&row->refills, refills);
    if (flushes)
        telemetry_add(&row->flushes, flushes);
    if (refills + flushes) {
        atomic_fetch_add_explicit(&foretold[index], (uint64_t)(refills + flushes), memory_order_relaxed);
        atomic_fetch_add_explicit(&counted, ghost->refills + ghost->flushes, memory_order_relaxed);
    }
    ghost->refills = ghost->flushes = ghost->first_refills = 0;
    ghost->began = clock;
    ghost->began_position = position;
}

/* How wrong a window may be about the gap before it: windows differ from each other as they differ from the gap. The
 * square of half their difference's standard deviation, for as many allocations as the gap has. */
static void publish_error(const struct ghost *ghost, unsigned class_index, unsigned index, uint32_t exchanges)
{
    double window = (double)(UINT32_C(1) << ghost->log_window), last_window = (double)(UINT32_C(1) << ghost->last_log_window);
    double difference = exchanges - ghost->last_exchanges * window / last_window, gap = ghost->gap / window;
    telemetry_add(&telemetry->ghosts[class_index].of_capacity[index].variance,
                  (int64_t)(difference * difference * gap * (gap + 1) / 2));
}

static void begin_window(struct ghost *ghost, uint32_t clock, uint32_t position, uint32_t gap)
{
    ghost->is_awake = ghost->is_counting = 1;
    ghost->refills = ghost->flushes = ghost->first_refills = 0;
    ghost->gap = gap;
    ghost->began = clock;
    ghost->began_position = position;
    ghost->turn = clock + (UINT32_C(1) << ghost->log_window);
}

/* Changes window and shift after a window of `exchanges`. One exchange is no reason to sleep, however short the window. The
 * next window adds at most a small share to all that was foretold so far, so that no single one decides. */
static void adapt(struct ghost *ghost, unsigned index, uint32_t exchanges, uint32_t most_shift)
{
    uint8_t wanted = 0, window = ghost->log_window;
    uint64_t share = atomic_load_explicit(&foretold[index], memory_order_relaxed) / WINDOWS_OF_ALL;
    if (atomic_load_explicit(&counted, memory_order_relaxed) < FREE_EXCHANGES)
        share = 0;
    while (exchanges > 1 && wanted < most_shift && (uint64_t)exchanges << (wanted + 1) <= share &&
           (uint64_t)exchanges * ALLOCATIONS_PER_EXCHANGE >> wanted >> window)
        wanted++;
    ghost->shift = wanted < ghost->shift && most_shift ? ghost->shift - 1 : wanted;
    for (; exchanges > MOST_IN_WINDOW && ghost->log_window > LEAST_LOG_WINDOW; exchanges /= 2)
        ghost->log_window--;
    ghost->log_window += exchanges < MOST_IN_WINDOW / 2 && ghost->log_window < MOST_LOG_WINDOW;
}

/* Ghosts that are no smaller than the bin never sleep: what they need of the slow path, the bin needs about as often. With
 * tls.policy=marginal `capacity` is marginal_least_awake, and the bin takes the slow path as often as it would otherwise. */
static uint32_t most_shift_of(const struct ghosts *ghosts, unsigned index, uint32_t capacity)
{
    return ghost_capacity(index) < capacity ? ghosts->most_shift : 0;
}

static void wake(struct ghost *ghost, uint32_t clock)
{
    ghost->is_awake = 1;
    ghost->is_counting = 0;
    ghost->turn = clock + (UINT32_C(1) << ghost->log_window) / 4;
}

static void end_window(struct ghosts *ghosts, struct ghost_bin *bin, unsigned class_index, unsigned index, uint32_t capacity,
                       uint32_t clock, uint32_t position)
{
    struct ghost *ghost = &bin->ghosts[index];
    uint32_t exchanges = (uint32_t)(ghost->refills + ghost->flushes - ghost->first_refills);
    if (ghost->gap)
        publish_error(ghost, class_index, index, exchanges);
    ghost->last_exchanges = (uint16_t)ghost_nearer(exchanges, UINT16_MAX);
    ghost->last_log_window = ghost->log_window;
    publish(ghosts, bin, class_index, index, clock, position);
    adapt(ghost, index, exchanges, most_shift_of(ghosts, index, capacity));
    atomic_store_explicit(&usual_rhythms[class_index][index], (uint16_t)(ghost->log_window << 8 | ghost->shift),
                          memory_order_relaxed);
    if (ghost->shift == 0) {
        begin_window(ghost, clock, position, 0);
        return;
    }
    uint32_t mean = ((UINT32_C(1) << ghost->shift) - 1) << ghost->log_window;
    ghost->turn = clock + next_random(ghosts) % (2 * mean + 1);
    ghost->is_awake = 0;
    place_far(bin, index, position);
}

/* Lets ghosts wake, begin to count or fall asleep whose turn it is. */
static void take_turns(struct ghosts *ghosts, struct ghost_bin *bin, unsigned class_index, uint32_t capacity, uint32_t clock,
                       uint32_t position)
{
    uint32_t next = UINT32_C(1) << 30;
    publish_operations(bin, class_index, clock, position);
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        struct ghost *ghost = &bin->ghosts[i];
        bool is_turn = ghost_distance(clock, ghost->turn) <= 0;
        if (is_turn && !ghost->is_awake) {
            carry(ghost, ghost_capacity(i), class_index, position);
            wake(ghost, clock);
            ghost_place(bin, i, position);
        } else if (is_turn && !ghost->is_counting) {
            begin_window(ghost, clock, position, clock - ghost->began);
        } else if (is_turn) {
            end_window(ghosts, bin, class_index, i, capacity, clock, position);
        }
        next = ghost_nearer(next, ghost->turn - clock);
    }
    bin->turn = clock + next;
    ghost_find_nearest(bin, position);
}

/* ---- what a bin tells ------------------------------------------------------------------------------------------ */

static struct ghost_bin *ghosts_of(const struct tls_cache *cache, const struct bin *bin)
{
    return &cache->ghosts->bins[bin->class_index];
}

/* The clock with the allocations that are not accounted yet. */
static uint32_t clock_of(const struct tls_cache *cache, const struct bin *bin)
{
    return ghost_clock(cache, bin) + bin->granted - bin->countdown;
}

/* The bin is to take the slow path again when the next turn comes. */
static void limit_grant(const struct ghost_bin *mine, struct bin *bin, uint32_t clock)
{
    int32_t left = ghost_distance(clock, mine->turn);
    if (left < (int32_t)bin->granted)
        bin->countdown = bin->granted = left > 0 ? (uint32_t)left : 1;
}

static void open(struct ghosts *ghosts, struct ghost_bin *bin, unsigned class_index, unsigned index, uint32_t capacity,
                 uint32_t clock, uint32_t position, uint64_t refills)
{
    struct ghost *ghost = &bin->ghosts[index];
    uint16_t rhythm = atomic_load_explicit(&usual_rhythms[class_index][index], memory_order_relaxed);
    *ghost = (struct ghost){.start = position,
                            .doublings = (uint8_t)(refills < MOST_DOUBLINGS ? refills : MOST_DOUBLINGS),
                            .log_window = rhythm ? (uint8_t)(rhythm >> 8) : FIRST_LOG_WINDOW,
                            .shift = (uint8_t)ghost_nearer((uint8_t)rhythm, most_shift_of(ghosts, index, capacity)),
                            .began = clock};
    ghost->last_log_window = ghost->log_window;
    ghost_begin_period(ghost, position);
    uint32_t passed = next_random(ghosts) & ((UINT32_C(1) << ghost->log_window << ghost->shift) - 1);
    if (passed >> ghost->log_window == 0)
        begin_window(ghost, clock, position, 0);
    else
        ghost->turn = clock + passed;
    place_far(bin, index, position);
    if (ghost->is_awake)
        ghost_place(bin, index, position);
}

void ghosts_open_now(struct tls_cache *cache, const struct bin *bin)
{
    unsigned class_index = bin->class_index;
    struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t clock = clock_of(cache, bin), position = position_of(bin);
    uint64_t refills = telemetry_get(&cache->row->classes[class_index].refills);
    mine->told = clock;
    mine->told_position = position;
    mine->checked = GHOST_COUNT;
    if (cache->ghosts->marginal)
        marginal_open(cache->ghosts->marginal, bin);
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        open(cache->ghosts, mine, class_index, i, bin->capacity, clock, position, refills);
    take_turns(cache->ghosts, mine, class_index, bin->capacity, clock, position);
}

/* Without `also_samples` only ghosts that do not sleep are told, and of these such as have news. */
static void publish_all(struct tls_cache *cache, const struct bin *bin, bool also_samples)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t clock = clock_of(cache, bin), position = position_of(bin);
    publish_operations(mine, bin->class_index, clock, position);
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        const struct ghost *ghost = &mine->ghosts[i];
        bool has_news = (ghost->refills | ghost->flushes) || clock - ghost->began >= ALLOCATIONS_PER_LOOK;
        if (ghost->is_awake && ghost->is_counting && (also_samples || (ghost->gap == 0 && has_news)))
            publish(cache->ghosts, mine, bin->class_index, i, clock, position);
    }
}

static uint64_t exchanges_of(const struct tls_cache *cache, const struct bin *bin)
{
    const struct telemetry_thread_class *row = &cache->row->classes[bin->class_index];
    return telemetry_get(&row->refills) + telemetry_get(&row->flushes);
}

/* Adds what the checked ghost has counted in its window so far, `sign` times. */
static void add_window(struct ghost_bin *mine, uint32_t clock, uint32_t position, int sign)
{
    const struct ghost *ghost = &mine->ghosts[mine->checked];
    if (mine->checked == GHOST_COUNT || !ghost->is_awake || !ghost->is_counting)
        return;
    mine->seen_operations += sign * operations_between(ghost->began, ghost->began_position, clock, position);
    mine->seen_exchanges += sign * (int64_t)(ghost->refills + ghost->flushes);
}

/* Compares what the bin did at its capacity with what the ghost of that capacity foretold for the same operations. What
 * ghosts counted before would not do: the program may have changed, and that is often why the bin did. */
static void end_check(struct ghost_bin *mine, const struct tls_cache *cache, const struct bin *bin)
{
    uint32_t clock = clock_of(cache, bin), position = position_of(bin);
    int64_t came = (int64_t)(exchanges_of(cache, bin) - mine->check_exchanges);
    int64_t operations = operations_between(mine->check_began, mine->check_position, clock, position);
    add_window(mine, clock, position, 1);
    if (mine->checked < GHOST_COUNT && mine->seen_operations > 0 && came >= LEAST_CHECKED) {
        double rate = (double)mine->seen_exchanges / (double)mine->seen_operations;
        int64_t missed = (int64_t)(rate * (double)operations) - came;
        telemetry_add(&telemetry->global.ghost_checks, 1);
        telemetry_add(&telemetry->global.ghost_came, came);
        telemetry_add(&telemetry->global.ghost_missed, missed < 0 ? -missed : missed);
    }
    mine->checked = GHOST_COUNT;
}

void ghosts_resize_now(struct tls_cache *cache, const struct bin *bin)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    end_check(mine, cache, bin);
    for (mine->checked = 0; mine->checked < GHOST_COUNT && ghost_capacity(mine->checked) != bin->capacity;)
        mine->checked++;
    mine->check_began = clock_of(cache, bin);
    mine->check_position = position_of(bin);
    mine->check_exchanges = exchanges_of(cache, bin);
    mine->seen_exchanges = mine->seen_operations = 0;
    add_window(mine, mine->check_began, mine->check_position, -1);
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        if (!mine->ghosts[i].is_awake && ghost_capacity(i) >= marginal_least_awake(cache->ghosts->marginal, bin))
            mine->ghosts[i].turn = mine->turn = mine->check_began; /* it does not sleep any more */
}

void ghosts_close_now(struct tls_cache *cache, const struct bin *bin)
{
    end_check(ghosts_of(cache, bin), cache, bin);
    publish_all(cache, bin, true);
}

void ghosts_flush_now(struct tls_cache *cache, const struct bin *bin)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t position = position_of(bin);
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        struct ghost *ghost = &mine->ghosts[i];
        uint32_t fill = position - ghost->start;
        if (ghost->is_awake && fill) {
            ghost->flushes++;
            ghost_give(&sources[bin->class_index][i], ghost_capacity(i), fill);
        }
        ghost->start = position;
    }
    place_all(mine, position);
}

void ghosts_decide_now(struct tls_cache *cache, const struct bin *bin)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    publish_all(cache, bin, false);
    unsigned shadow = GHOST_COUNT;
    if (cache->ghosts->marginal) {
        marginal_follow(cache->ghosts->marginal, bin, mine->ghosts, ghost_clock(cache, bin), position_of(bin), true);
        shadow = cache->ghosts->marginal->bins[bin->class_index].rung;
    }
    if (mine->checked < GHOST_COUNT && exchanges_of(cache, bin) - mine->check_exchanges >= ENOUGH_CHECKED)
        end_check(mine, cache, bin);
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        if (mine->ghosts[i].exchanges || i == shadow) /* or else noting the same swing again would only take time */
            ghost_begin_period(&mine->ghosts[i], position_of(bin));
    place_all(mine, position_of(bin));
}

void ghosts_pop(struct tls_cache *cache, struct bin *bin, uint32_t position)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t clock = ghost_clock(cache, bin);
    bool is_turn = ghost_distance(clock, mine->turn) <= 0;
    if (UNLIKELY(is_turn))
        take_turns(cache->ghosts, mine, bin->class_index, marginal_least_awake(cache->ghosts->marginal, bin), clock, position);
    limit_grant(mine, bin, clock);
    if (!is_turn && ghost_distance(mine->below, position) > 0)
        return;
    if (cache->ghosts->marginal)
        marginal_follow(cache->ghosts->marginal, bin, mine->ghosts, clock, position, false);
    ghost_bin_pop(mine, bin->class_index, sources[bin->class_index], position);
    ghosts_mark_now(cache, bin);
}

void ghosts_push_now(struct tls_cache *cache, struct bin *bin)
{
    struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t clock = ghost_clock(cache, bin), position = position_of(bin);
    if (UNLIKELY(ghost_distance(mine->told_position, position) > LONG_RUN)) {
        for (unsigned i = 0; i < GHOST_COUNT; i++)
            mine->ghosts[i].turn -= LONG_RUN / 2;
        mine->turn = clock;
    }
    bool is_turn = ghost_distance(clock, mine->turn) <= 0;
    if (UNLIKELY(is_turn))
        take_turns(cache->ghosts, mine, bin->class_index, marginal_least_awake(cache->ghosts->marginal, bin), clock, position);
    limit_grant(mine, bin, clock);
    if (!is_turn && ghost_distance(position, mine->above) > 0)
        return;
    if (cache->ghosts->marginal)
        marginal_follow(cache->ghosts->marginal, bin, mine->ghosts, clock, position, false);
    ghost_bin_push(mine, sources[bin->class_index], position);
    ghosts_mark_now(cache, bin);
}

void ghosts_mark_now(struct tls_cache *cache, struct bin *bin)
{
    const struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t position = position_of(bin);
    int32_t below = ghost_distance(mine->below, position), above = ghost_distance(position, mine->above);
    set_marks(bin);
    if (below < bin->top - bin->floor)
        bin->floor = bin->top - (below > 0 ? below : 0);
    if (above < bin->limit - bin->top)
        bin->limit = bin->top + (above > 0 ? above : 0);
}

static struct ghosts *create(void)
{
    static _Atomic uint32_t created; /* relaxed: only to begin at different numbers */
    struct ghosts *ghosts = control_show_ghosts() ? os_map(sizeof *ghosts) : NULL;
    if (!ghosts)
        return NULL;
    ghosts->most_shift = MOST_SHIFT;
    ghosts->random = (1 + atomic_fetch_add_explicit(&created, 1, memory_order_relaxed)) * UINT32_C(2654435769);
    return ghosts;
}

void ghosts_switch(struct tls_cache *cache)
{
    bool are_wanted = SETTING(ghost_enable) || marginal_is_wanted();
    marginal_switch(cache);
    if (are_wanted == (cache->ghosts != NULL))
        return;
    if (are_wanted && !cache->spare_ghosts)
        cache->spare_ghosts = create();
    for (unsigned i = 0; i < BIN_COUNT; i++)
        if (cache->bins[i].base)
            ghosts_close(cache, &cache->bins[i]);
    cache->ghosts = are_wanted ? cache->spare_ghosts : NULL;
    marginal_switch(cache);
    for (unsigned i = 0; i < BIN_COUNT; i++) {
        struct bin *bin = &cache->bins[i];
        if (!bin->base)
            continue;
        ghosts_open(cache, bin);
        set_marks(bin);
        ghosts_mark(cache, bin);
    }
}

bool ghosts_are_valid(const struct tls_cache *cache, const struct bin *bin)
{
    const struct ghost_bin *mine = ghosts_of(cache, bin);
    uint32_t position = position_of(bin);
    bool valid = ghost_distance(mine->below, position) >= 0 && ghost_distance(position, mine->above) >= 0;
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        const struct ghost *ghost = &mine->ghosts[i];
        valid &= !ghost->is_awake || position - ghost->start <= ghost_capacity(i);
        valid &= ghost->shift <= MOST_SHIFT;
    }
    return valid;
}
