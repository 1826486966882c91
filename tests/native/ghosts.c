/* ghosts.c: ghosts count what real caches of their capacity do, and what theory says of a random walk. They survive being
 * switched at random and forks, and need no more memory than they say. Counts, not time. */
#include "component_fixture.h"
#include "fast_path.h"
#include "ghosts.h"
#include "hakmem.h"
#include "tls_cache.h"

#include <math.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_BLOCKS = 1 << 19, BYTES = 64, CLASS = SIZE_CLASS_64 };
static void *blocks[MOST_BLOCKS];
static unsigned held;
static uint32_t random_state;

static void take(void)
{
    CHECK(held < MOST_BLOCKS);
    blocks[held++] = hak_malloc(BYTES);
}

static void give(void)
{
    hak_free(blocks[--held]);
}

static void take_and_give(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        take();
    for (unsigned i = 0; i < count; i++)
        give();
}

static unsigned up_to(unsigned most)
{
    return 1 + next_random(&random_state) % most;
}

/* Allocates or frees at random, `takes_percent` of 100 times the first. */
static void walk(unsigned operations, unsigned takes_percent)
{
    for (unsigned i = 0; i < operations; i++) {
        if (held == 0 || next_random(&random_state) / 7 % 100 < takes_percent)
            take();
        else
            give();
    }
}

/* ---- workloads ---------------------------------------------------------------------------------- */

static void work_batches_of_40(void)
{
    for (unsigned i = 0; i < 1500; i++)
        take_and_give(40);
}

static void work_batches_of_1000(void)
{
    for (unsigned i = 0; i < 300; i++)
        take_and_give(1000);
}

static void work_random_batches(void)
{
    for (unsigned i = 0; i < 3000; i++)
        take_and_give(up_to(200));
}

static void work_noisy_batches(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        walk(50, 50);
        take_and_give(100);
        for (unsigned j = 0; j < 100; j++)
            take_and_give(1);
    }
}

static void work_walk(void)
{
    walk(1000000, 50);
}

static void work_growing(void)
{
    walk(300000, 60);
}

/* The more blocks are held, the fewer are taken. */
static void work_bounded(void)
{
    for (unsigned i = 0; i < 1000000; i++) {
        if (up_to(1000) > held)
            take();
        else
            give();
    }
}

static void work_phases(void)
{
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned j = 0; j < 20000; j++)
            take_and_give(1);
        for (unsigned j = 0; j < 10; j++)
            take_and_give(700);
    }
}

/* `exact`: no refill finds fewer blocks than it wants in the magazine of the class, so real caches make no exchange more
 * than ghosts. */
static const struct {
    void (*work)(void);
    bool is_exact;
} works[] = {{work_batches_of_40, true}, {work_batches_of_1000, true}, {work_random_batches, false}, {work_noisy_batches, false},
             {work_walk, false},         {work_growing, true},         {work_bounded, false},        {work_phases, false}};
enum { WORKS = sizeof works / sizeof *works };

/* With TELL in the environment, shows the figures. */
static void tell(const char *format, unsigned number, double capacity, double wanted, double found)
{
    if (getenv("TELL"))
        fprintf(stderr, format, number, capacity, wanted, found);
}

/* ---- running ------------------------------------------------------------------------------------ */

static uint64_t retired_exchanges(void)
{
    const struct telemetry_thread_class *row = &telemetry->threads[0].classes[CLASS];
    return telemetry_get(&row->refills) + telemetry_get(&row->flushes);
}

static struct telemetry_ghost *ghost_row(unsigned ghost)
{
    return &telemetry->ghosts[CLASS].of_capacity[ghost];
}

static uint64_t operations(void)
{
    return telemetry_get(&telemetry->classes[CLASS].ghost_operations);
}

static bool is_exact;

static void *run(void *work)
{
    lifecycle_attach();
    hak_free(hak_malloc(8)); /* the thread has a cache, but no bin of the class */
    if (tls_cache->ghosts)
        tls_cache->ghosts->most_shift = is_exact ? 0 : MOST_SHIFT;
    random_state = 1;
    (*(void (**)(void))work)();
    while (held)
        give();
    return NULL;
}

static void run_in_new_thread(void (*work)(void))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, &work) == 0 && pthread_join(thread, NULL) == 0);
}

/* Refills and flushes of a real cache that keeps its capacity. */
static uint64_t count_real(void (*work)(void), unsigned capacity)
{
    set_tunable(TUNABLE_ghost_enable, 0);
    set_tunable(TUNABLE_tls_adaptive, 0);
    set_tunable(TUNABLE_tls_initial_slots, capacity);
    uint64_t before = retired_exchanges();
    run_in_new_thread(work);
    set_tunable(TUNABLE_tls_adaptive, 1);
    set_tunable(TUNABLE_tls_initial_slots, 64);
    return retired_exchanges() - before;
}

/* The standard errors that the last estimate gave. */
static double errors[GHOST_COUNT];

/* What the ghosts of a cache that adapts say. */
static void estimate(void (*work)(void), double exchanges[GHOST_COUNT])
{
    double variances[GHOST_COUNT];
    uint64_t before[GHOST_COUNT], seen[GHOST_COUNT], all = operations();
    set_tunable(TUNABLE_ghost_enable, 1);
    CHECK(control_show_ghosts());
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        before[i] = telemetry_get(&ghost_row(i)->refills) + telemetry_get(&ghost_row(i)->flushes);
        seen[i] = telemetry_get(&ghost_row(i)->observed);
        variances[i] = (double)telemetry_get(&ghost_row(i)->variance);
    }
    run_in_new_thread(work);
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        double counted = (double)(telemetry_get(&ghost_row(i)->refills) + telemetry_get(&ghost_row(i)->flushes) - before[i]);
        double observed = (double)(telemetry_get(&ghost_row(i)->observed) - seen[i]);
        exchanges[i] = counted / observed * (double)(operations() - all);
        errors[i] = sqrt((double)telemetry_get(&ghost_row(i)->variance) - variances[i]);
    }
}

static void test_ghosts_do_what_caches_do(void)
{
    is_exact = true;
    for (unsigned w = 0; w < WORKS; w++) {
        double foretold[GHOST_COUNT];
        estimate(works[w].work, foretold);
        for (unsigned i = 0; i < GHOST_COUNT - 1; i++) {
            double real = (double)count_real(works[w].work, ghost_capacity(i));
            tell("work %u, capacity %.0f: real %.0f, foretold %.0f\n", w, ghost_capacity(i), real, foretold[i]);
            CHECK(fabs(foretold[i] - real) <= (works[w].is_exact ? 3 + 0.01 * real : 6 + 0.05 * real));
        }
    }
}

/* A larger cache is better by a cliff, not by a slope. */
static void test_the_cliff_of_batches(void)
{
    CHECK(count_real(work_batches_of_40, 32) > 3000 && count_real(work_batches_of_40, 140) < 5);
    double foretold[GHOST_COUNT];
    is_exact = true;
    estimate(work_batches_of_40, foretold);
    CHECK(foretold[1] > 3000 && foretold[3] < 5);
}

static unsigned takes_percent;
enum { WALKED = 4000000, TAKEN_FIRST = 10000 };

static void work_law(void)
{
    for (unsigned i = 0; i < TAKEN_FIRST; i++)
        take(); /* so that the walk does not run dry */
    walk(WALKED, takes_percent);
}

/* For a random walk with drift and variance of each operation, a cache of capacity C makes
 * drift / (h tanh(drift h / variance)) exchanges an operation, h = C / 2: it has half its capacity after each, and makes
 * the next when the walk has gone that far in either direction. */
static void test_the_law_of_random_walks(void)
{
    is_exact = true;
    for (takes_percent = 50; takes_percent <= 54; takes_percent += 2) {
        double foretold[GHOST_COUNT], drift = (2 * (double)takes_percent - 100) / 100, variance = 1 - drift * drift;
        estimate(work_law, foretold);
        for (unsigned i = 2; ghost_capacity(i) <= (drift > 0 ? 1024 : 128); i++) {
            double h = ghost_capacity(i) / 2.0, rate = drift > 0 ? drift / (h * tanh(drift * h / variance)) : 1 / (h * h);
            /* Taken one by one before, and all given back in the end. */
            double law = WALKED * rate + (2 * TAKEN_FIRST + WALKED * drift) / h;
            tell("takes %u %%, capacity %.0f: law %.0f, foretold %.0f\n", takes_percent, ghost_capacity(i), law, foretold[i]);
            CHECK(fabs(foretold[i] / law - 1) < 0.06);
        }
    }
}

static void work_long_batches(void)
{
    for (unsigned i = 0; i < 12; i++)
        work_batches_of_1000();
}

static void work_long_random_batches(void)
{
    for (unsigned i = 0; i < 12; i++)
        work_random_batches();
}

static void work_long_walk(void)
{
    for (unsigned i = 0; i < 8; i++)
        work_walk();
}

/* Ghosts that are awake only now and then count the same, within the error that they tell. */
static void test_samples_are_right(void)
{
    static void (*const long_works[])(void) = {work_long_batches, work_long_random_batches, work_long_walk};
    is_exact = false;
    for (unsigned w = 0; w < 3; w++) {
        uint64_t seen = telemetry_get(&ghost_row(0)->observed), all = operations();
        double foretold[GHOST_COUNT];
        estimate(long_works[w], foretold);
        CHECK(telemetry_get(&ghost_row(0)->observed) - seen != operations() - all); /* the smallest did sleep */
        for (unsigned i = 0; i < GHOST_COUNT; i += 2) {
            double real = (double)count_real(long_works[w], ghost_capacity(i));
            tell("long work %u, capacity %.0f: real %.0f, foretold %.0f\n", w, ghost_capacity(i), real, foretold[i]);
            tell("long work %u, capacity %.0f: standard error %.0f (%.0f)\n", w, ghost_capacity(i), errors[i], real);
            CHECK(fabs(foretold[i] - real) < 10 + 0.1 * real + 3 * errors[i]);
            CHECK(errors[i] < real);
        }
    }
}

static uint64_t checked(uint64_t *came, uint64_t *missed)
{
    *came = telemetry_get(&telemetry->global.ghost_came);
    *missed = telemetry_get(&telemetry->global.ghost_missed);
    return telemetry_get(&telemetry->global.ghost_checks);
}

/* A cache that really grows or shrinks does then what its ghost foretells. */
static void test_real_changes_check_what_was_foretold(void)
{
    static void (*const changing[])(void) = {work_batches_of_1000, work_walk, work_growing, work_bounded};
    is_exact = true;
    for (unsigned w = 0; w < 4; w++) {
        uint64_t came, missed, came_then, missed_then, checks = checked(&came, &missed);
        double foretold[GHOST_COUNT];
        estimate(changing[w], foretold);
        checks = checked(&came_then, &missed_then) - checks;
        tell("changing work %u: %.0f checks, came %.0f, missed %.0f\n", w, (double)checks, (double)(came_then - came),
             (double)(missed_then - missed));
        CHECK(checks > 0 && came_then - came >= 8 * checks);
        CHECK((double)(missed_then - missed) < 0.25 * (double)(came_then - came) + 10);
    }
}

/* What caches would hold: between nothing and all slots, and for a walk without drift about half of them. */
static void test_blocks_that_would_be_held(void)
{
    uint64_t before[GHOST_COUNT], seen[GHOST_COUNT];
    double foretold[GHOST_COUNT];
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        before[i] = telemetry_get(&ghost_row(i)->held);
        seen[i] = telemetry_get(&ghost_row(i)->observed);
    }
    is_exact = true;
    takes_percent = 50;
    estimate(work_law, foretold);
    for (unsigned i = 0; i < 5; i++) {
        double blocks_held = (double)(telemetry_get(&ghost_row(i)->held) - before[i]);
        double share = blocks_held / (double)(telemetry_get(&ghost_row(i)->observed) - seen[i]) / ghost_capacity(i);
        tell("ghost %u, capacity %.0f: share held %.3f (%.0f)\n", i, ghost_capacity(i), share, 0);
        CHECK(share > 0.35 && share < 0.65);
    }
}

/* How many exchanges the ghosts of 16 slots made. */
static uint64_t count_smallest(void)
{
    return telemetry_get(&ghost_row(0)->refills) + telemetry_get(&ghost_row(0)->flushes);
}

static void test_switched_at_random(void)
{
    uint64_t counted = count_smallest(), metadata = telemetry_get(&telemetry->global.metadata_bytes);
    set_tunable(TUNABLE_ghost_enable, 1);
    ghosts_switch(tls_cache);
    uint64_t added = telemetry_get(&telemetry->global.metadata_bytes) - metadata;
    CHECK(added == round_up(sizeof(struct ghosts), PAGE_BYTES) && sizeof(struct ghosts) <= 24 * 1024);
    random_state = 7;
    set_tunable(TUNABLE_tls_adapt_ms, 1); /* a decision of all bins may come with any refill */
    for (unsigned i = 0; i < 2000; i++) {
        set_tunable(TUNABLE_ghost_enable, up_to(2) - 1);
        ghosts_switch(tls_cache);
        if (tls_cache->ghosts)
            tls_cache->ghosts->most_shift = 0;
        take_and_give(up_to(300));
        walk(up_to(100), 50);
        if (i % 100 == 0)
            CHECK(heap_is_valid());
        if (i % 300 == 0)
            hak_trim();
        if (i == 1000)
            metadata = telemetry_get(&telemetry->global.metadata_bytes);
    }
    CHECK(telemetry_get(&telemetry->global.metadata_bytes) == metadata); /* the same memory again and again */
    while (held)
        give();
    set_tunable(TUNABLE_ghost_enable, 0);
    ghosts_switch(tls_cache);
    CHECK(count_smallest() > counted && tls_cache->ghosts == NULL);
    counted = count_smallest();
    take_and_give(1000);
    hak_trim();
    CHECK(count_smallest() == counted);
}

/* A bin that is emptied because another class needs slabs is empty already, but its ghosts are not: where they are next
 * moved is farther away then, and the bin's limit has to go along. */
static void test_an_empty_bin_that_is_emptied(void)
{
    enum { OTHER_BYTES = 1000, OTHERS = 600 };
    static void *others[OTHERS];
    set_tunable(TUNABLE_tls_max_slots, 256);
    set_tunable(TUNABLE_tls_reclaim_slabs, 1);
    set_tunable(TUNABLE_ghost_enable, 1);
    ghosts_switch(tls_cache);
    for (unsigned i = 0; i < 60; i++) {
        walk(50 + up_to(400), 50);
        while (held < 1000)
            take();
        for (unsigned more = up_to(64); more > 0; more--)
            take();
        for (unsigned j = 0; j < OTHERS; j++)
            others[j] = hak_malloc(OTHER_BYTES);
        while (held > 300) {
            give();
            CHECK(heap_is_valid());
        }
        for (unsigned j = 0; j < OTHERS; j++)
            hak_free(others[j]);
        hak_trim();
    }
    while (held)
        give();
    set_tunable(TUNABLE_tls_reclaim_slabs, 0);
    set_tunable(TUNABLE_tls_max_slots, 4096);
}

static void test_a_child_goes_on(void)
{
    set_tunable(TUNABLE_ghost_enable, 1);
    ghosts_switch(tls_cache);
    take_and_give(300);
    uint64_t counted = count_smallest();
    pid_t child = fork();
    if (child == 0) {
        work_batches_of_1000();
        hak_trim();
        CHECK(heap_is_valid() && count_smallest() > counted);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(count_smallest() == counted);
    take_and_give(300);
    hak_trim();
    CHECK(count_smallest() > counted);
}

int main(void)
{
    start_on_operations();
    set_tunable(TUNABLE_tls_max_slots, 4096);
    set_tunable(TUNABLE_tls_min_slots, 1);
    set_tunable(TUNABLE_tls_max_bytes, 0);
    set_tunable(TUNABLE_tls_reclaim_slabs, 0);
    hak_free(hak_malloc(1));
    test_ghosts_do_what_caches_do();
    test_the_cliff_of_batches();
    test_the_law_of_random_walks();
    test_samples_are_right();
    test_real_changes_check_what_was_foretold();
    test_blocks_that_would_be_held();
    test_switched_at_random();
    test_an_empty_bin_that_is_emptied();
    test_a_child_goes_on();
    CHECK(heap_is_valid());
    puts("ghosts: ok");
    return 0;
}
