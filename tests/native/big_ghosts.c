/* big_ghosts.c: copies of the BigCache foretell the hits of real caches of their size and delay. They survive being switched
 * (by threads at random: big_cache.c) and forks, sample when there are too many entries, and forget when they are off.
 * Counts, not time. `TELL=1 build/tests/big_ghosts` shows all figures. */
#include "big_copies.h"
#include "big_fixture.h"
#include "hakmem.h"

#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 300, ROUNDS = 12000, MANY = 3000 };
static void *slots[SLOTS];
static uint32_t random_state;

static void set(enum tunable tunable, double value)
{
    set_tunable(tunable, value);
    big_cache_settings_changed(&actor);
}

static void empty(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i])
            give(slots[i]);
    memset(slots, 0, sizeof slots);
    set(TUNABLE_ghost_enable, 0);
    while (big_cache_purge(&actor, clock_now_ms(&actor), true))
        ;
}

/* ---- workloads -------------------------------------------------------------------------------------------------- */

static size_t some_bytes(uint32_t bits)
{
    return MIB + 1 + (bits >> 8) % (bits % 16 ? 3 * MIB : 30 * MIB);
}

/* Any block is replaced, or freed, or taken, so that what lies free goes up and down. */
static void work_at_random(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t bits = next_random(&random_state);
        advance_ms(&actor, 1);
        void **slot = &slots[bits % (i / 500 % 2 ? SLOTS : 40)];
        if (*slot)
            give(*slot);
        bool is_taken = bits >> 20 & 1 || !*slot;
        *slot = is_taken ? take(some_bytes(bits), bits >> 3 & 7) : NULL;
    }
}

/* Bursts of a size that grows: a cache of n blocks hits only bursts up to n. */
static void work_in_bursts(void)
{
    for (unsigned i = 0; i < ROUNDS / 40; i++) {
        unsigned count = 1 + next_random(&random_state) % (i % 4 ? 20 : SLOTS);
        for (unsigned n = 0; n < count; n++)
            slots[n] = take(2 * MIB, n % 7);
        advance_ms(&actor, 20);
        for (unsigned n = 0; n < count; n++)
            give(slots[n]);
        memset(slots, 0, sizeof slots);
        advance_ms(&actor, next_random(&random_state) % 2000);
    }
}

/* A few sites take one block again and again, many take each once in a while: LFU keeps those of the few. */
static void work_with_favourites(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t bits = next_random(&random_state);
        unsigned site = bits % 3 ? bits / 8 % 12 : 12 + bits / 8 % 120;
        advance_ms(&actor, 1);
        give(take(MIB + 1 + site * 3 * MIB / 4, site));
    }
}

static void (*const works[])(void) = {work_at_random, work_in_bursts, work_with_favourites};
static const char *const names[] = {"random", "bursts", "favourites"};

/* ---- foretold and real ------------------------------------------------------------------------------------------ */

static uint64_t real_hits(void)
{
    return GLOBAL(big_hits) + GLOBAL(big_class_hits);
}

static uint64_t foretold_hits(unsigned size, unsigned delay)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i <= delay; i++)
        hits += telemetry_get(&telemetry->big_copies.of_size[size].of_delay[i].hits);
    return hits;
}

static uint64_t seen_lookups(void)
{
    return telemetry_get(&telemetry->big_copies.of_size[0].lookups);
}

/* What a real cache of these settings hits, as a share of lookups. */
static double work_really(void (*work)(void), double max_bytes, double delay_ms)
{
    set(TUNABLE_big_max_bytes, max_bytes);
    set(TUNABLE_ss_purge_delay_ms, delay_ms);
    random_state = 12345;
    uint64_t hits = real_hits(), lookups = GLOBAL(big_lookups);
    work();
    double share = (double)(real_hits() - hits) / (double)(GLOBAL(big_lookups) - lookups);
    empty();
    return share;
}

/* Foretells while the cache has other settings, and returns the shares of hits. */
static void foretell(void (*work)(void), double shares[BIG_SIZE_COUNT][BIG_DELAY_COUNT])
{
    uint64_t before[BIG_SIZE_COUNT][BIG_DELAY_COUNT], lookups;
    set(TUNABLE_ghost_enable, 1);
    CHECK(control_show_ghosts());
    lookups = seen_lookups();
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        for (unsigned j = 0; j < BIG_DELAY_COUNT; j++)
            before[i][j] = foretold_hits(i, j);
    uint64_t all = GLOBAL(big_lookups);
    work_really(work, 64.0 * MIB, -1);
    CHECK(seen_lookups() - lookups == GLOBAL(big_lookups) - all);
    for (unsigned i = 0; i < BIG_SIZE_COUNT; i++)
        for (unsigned j = 0; j < BIG_DELAY_COUNT; j++)
            shares[i][j] = (double)(foretold_hits(i, j) - before[i][j]) / (double)(seen_lookups() - lookups);
}

static void check_sizes(int policy, double most_error)
{
    for (unsigned w = 0; w < sizeof works / sizeof *works; w++) {
        double shares[BIG_SIZE_COUNT][BIG_DELAY_COUNT], worst = 0;
        set(TUNABLE_big_policy, policy);
        foretell(works[w], shares);
        for (unsigned i = 0; i < BIG_SIZE_COUNT; i += 2) {
            double foretold = shares[i][BIG_DELAY_COUNT - 1], came = work_really(works[w], (double)big_copy_bytes[i], -1);
            if (getenv("TELL"))
                fprintf(stderr, "%-10s %s %5zu MiB: foretold %.4f, came %.4f\n", names[w], policy == BIG_LFU ? "LFU" : "LRU",
                       (size_t)big_copy_bytes[i] / MIB, foretold, came);
            worst = fmax(worst, fabs(foretold - came));
        }
        CHECK(shares[0][BIG_DELAY_COUNT - 1] + 0.1 < shares[BIG_SIZE_COUNT - 1][BIG_DELAY_COUNT - 1]); /* something to see */
        CHECK(worst <= most_error);
    }
    set(TUNABLE_big_policy, BIG_LRU);
}

/* One block, idle for up to 5 s. */
static void work_with_pauses(void)
{
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        give(take(MIB + 1, 1));
        advance_ms(&actor, next_random(&random_state) % 5000);
        big_cache_purge(&actor, clock_now_ms(&actor), false);
    }
}

static void check_delays(void)
{
    double shares[BIG_SIZE_COUNT][BIG_DELAY_COUNT];
    foretell(work_with_pauses, shares);
    for (unsigned j = 0; j < BIG_DELAY_COUNT; j++) {
        double came = work_really(work_with_pauses, 1024.0 * MIB, big_copy_delays_ms[j]);
        if (getenv("TELL"))
            fprintf(stderr, "%5d ms: foretold %.4f, came %.4f\n", big_copy_delays_ms[j], shares[4][j], came);
        CHECK(fabs(shares[4][j] - came) < 1e-9);
    }
    CHECK(shares[4][0] < 0.1 && shares[4][5] > 0.5 && shares[4][5] < 0.7);
}

/* More entries than there is room for: half of the keys are a sample of all. */
static void check_sampling(void)
{
    static void *many[MANY];
    set(TUNABLE_ghost_enable, 1);
    set(TUNABLE_big_max_bytes, 0);
    set(TUNABLE_ss_purge_delay_ms, -1);
    for (unsigned i = 0; i < MANY; i++)
        many[i] = take(MIB + 1, 100 + i);
    for (unsigned i = 0; i < MANY; i++)
        give(many[i]);
    uint64_t lookups = seen_lookups(), all = foretold_hits(10, BIG_DELAY_COUNT - 1), few = foretold_hits(8, BIG_DELAY_COUNT - 1);
    for (unsigned i = 0; i < MANY; i++)
        many[i] = take(MIB + 1, 100 + i);
    CHECK(big_cache_is_valid());
    double seen = (double)(seen_lookups() - lookups);
    CHECK(fabs(seen / MANY - 1) < 0.1);
    CHECK((double)(foretold_hits(10, BIG_DELAY_COUNT - 1) - all) == seen); /* a cache of 4 GiB */
    CHECK(fabs((double)(foretold_hits(8, BIG_DELAY_COUNT - 1) - few) / seen - 1024.0 / MANY) < 0.05); /* of 1 GiB */
    for (unsigned i = 0; i < MANY; i++)
        give(many[i]);
    empty();
    set(TUNABLE_big_max_bytes, 1024.0 * MIB);
}

/* What was given back while ghosts were on, and taken while they were off, is not there. */
static void check_forgetting(void)
{
    set(TUNABLE_ghost_enable, 1);
    give(take(MIB + 1, 1));
    set(TUNABLE_ghost_enable, 0);
    void *block = take(MIB + 1, 1);
    set(TUNABLE_ghost_enable, 1);
    uint64_t hits = foretold_hits(BIG_SIZE_COUNT - 1, BIG_DELAY_COUNT - 1), lookups = seen_lookups();
    give(take(MIB + 1, 1));
    CHECK(foretold_hits(BIG_SIZE_COUNT - 1, BIG_DELAY_COUNT - 1) == hits && seen_lookups() == lookups + 1);
    give(block);
}

static void check_fork(void)
{
    hak_free(hak_malloc(2 * MIB));
    pid_t child = fork();
    if (child == 0) {
        uint64_t lookups = seen_lookups(), hits = foretold_hits(BIG_SIZE_COUNT - 1, BIG_DELAY_COUNT - 1);
        hak_free(hak_malloc(2 * MIB));
        _exit(seen_lookups() == lookups + 1 && foretold_hits(BIG_SIZE_COUNT - 1, BIG_DELAY_COUNT - 1) == hits + 1 &&
                      big_cache_is_valid()
                  ? 0
                  : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    start_on_operations();
    check_sizes(BIG_LRU, 0.03);
    check_sizes(BIG_LFU, 0.07);
    check_delays();
    check_sampling();
    check_forgetting();
    check_fork();
    puts("big_ghosts: ok");
    return 0;
}
