/* marginal.c: tls.policy=marginal moves slots to where they save exchanges, holds no more than `threshold` would, and changes
 * nothing for a small gain. It survives being switched at random under threads, forks, and having no memory. */
#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"
#include "ghosts.h"
#include "tls_cache.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 3000, RICH = SIZE_CLASS_64, POOR = SIZE_CLASS_128, OBSERVED = 1000000 };
static uint32_t random_state = 1;

static void burst(size_t bytes, unsigned count, unsigned rounds)
{
    void *blocks[MANY];
    for (; rounds > 0; rounds--) {
        for (unsigned i = 0; i < count; i++)
            CHECK((blocks[i] = hak_malloc(bytes)) != NULL);
        for (unsigned i = 0; i < count; i++)
            hak_free(blocks[i]);
    }
}

static void use_policy(enum tls_policy policy)
{
    set_tunable(TUNABLE_tls_policy, policy);
    ghosts_switch(tls_cache); /* as a thread does that adopts the settings */
    CHECK((tls_cache->ghosts != NULL) == (policy == TLS_MARGINAL));
}

/* ---- what a share-out does with given counts ------------------------------------------------------------------- */

static struct marginal_bin *state_of(unsigned class_index)
{
    return &tls_cache->ghosts->marginal->bins[class_index];
}

static void tell(unsigned class_index, uint32_t capacity, const unsigned exchanges[GHOST_COUNT])
{
    struct marginal_bin *mine = state_of(class_index);
    *mine = (struct marginal_bin){.shadow = capacity, .wanted = capacity};
    while (ghost_capacity(mine->rung) < capacity)
        mine->rung++;
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        mine->observed[i] = OBSERVED;
        mine->exchanges[i] = exchanges[i];
    }
}

/* Bins of both classes in use, with nothing told of any class. */
static void begin(void)
{
    use_policy(TLS_THRESHOLD);
    hak_trim();
    use_policy(TLS_MARGINAL);
    hak_free(hak_malloc(64));
    hak_free(hak_malloc(128));
    memset(tls_cache->ghosts->marginal->bins, 0, sizeof tls_cache->ghosts->marginal->bins);
}

/* All that fits into 128 slots needs none more. */
static const unsigned flat[GHOST_COUNT] = {9000, 8000, 7000};
static const unsigned steep[GHOST_COUNT] = {64000, 32000, 16000, 8000, 4000, 2000, 1000, 500, 250};
static const unsigned none[GHOST_COUNT] = {0};

static void test_slots_move_to_where_they_save(void)
{
    begin();
    tell(RICH, 1024, flat);
    tell(POOR, 64, steep);
    marginal_share(tls_cache);
    CHECK(state_of(RICH)->wanted == 128); /* not below the cliff */
    CHECK(state_of(POOR)->wanted == 512 && state_of(POOR)->shadow == 64);
}

static void test_no_change_for_a_small_gain(void)
{
    begin();
    static const unsigned hardly[GHOST_COUNT] = {8000, 6000, 4000, 3900, 3900, 3900, 3900, 3900, 3900};
    tell(RICH, 256, steep);
    tell(POOR, 64, hardly);
    marginal_share(tls_cache);
    CHECK(state_of(RICH)->wanted == 256 && state_of(POOR)->wanted == 64);
}

static void test_ghosts_that_saw_little_move_nothing(void)
{
    begin();
    tell(RICH, 1024, flat);
    tell(POOR, 64, steep);
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        state_of(RICH)->observed[i] = state_of(POOR)->observed[i] = 10;
    marginal_share(tls_cache);
    CHECK(state_of(RICH)->wanted == 1024 && state_of(POOR)->wanted == 64);
}

/* When the shadow shrinks, what was moved on its account goes back. */
static void test_a_smaller_budget_is_kept(void)
{
    begin();
    tell(RICH, 64, none);
    tell(POOR, 64, steep);
    state_of(POOR)->wanted = 512;
    marginal_share(tls_cache);
    CHECK(state_of(POOR)->wanted == 64 && state_of(RICH)->wanted <= 64);
}

static void test_the_budget_holds_whatever_was_foretold(void)
{
    begin();
    unsigned changes = 0;
    for (unsigned round = 0; round < 20000; round++) {
        int64_t budget = 0, held = 0;
        unsigned counts[GHOST_COUNT];
        for (unsigned i = RICH; i <= POOR; i += POOR - RICH) {
            for (unsigned j = 0; j < GHOST_COUNT; j++)
                counts[j] = next_random(&random_state) % 10000 >> next_random(&random_state) % 14;
            tell(i, 16 + next_random(&random_state) % 2033, counts);
            if (next_random(&random_state) % 4 == 0)
                state_of(i)->observed[next_random(&random_state) % GHOST_COUNT] = 0;
            budget += (int64_t)state_of(i)->shadow * size_classes[i].bytes;
        }
        if (round % 2)
            state_of(RICH)->wanted = 16 + next_random(&random_state) % 2033;
        marginal_share(tls_cache);
        for (unsigned i = RICH; i <= POOR; i += POOR - RICH) {
            held += (int64_t)state_of(i)->wanted * size_classes[i].bytes;
            changes += state_of(i)->wanted != state_of(i)->shadow;
            CHECK(state_of(i)->wanted >= 16 && state_of(i)->wanted <= 2048);
        }
        CHECK(held <= budget);
    }
    CHECK(changes > 1000);
}

/* ---- the shadow ------------------------------------------------------------------------------------------------- */

static uint32_t shadows[8], capacities[8];
static bool has_differed;

/* Batches that grow and shrink again, none near a threshold. Batches of 400 keep a cache of 1024 slots, of which marginal
 * takes half. */
static void *work(void *seen)
{
    static const unsigned batches[8] = {40, 640, 400, 400, 100, 20, 900, 700};
    lifecycle_attach();
    hak_free(hak_malloc(8)); /* now it has a cache */
    for (unsigned i = 0; i < 8; i++) {
        burst(64, batches[i], 4000000 / batches[i]);
        const struct bin *bin = &tls_cache->bins[RICH];
        ((uint32_t *)seen)[i] = tls_cache->ghosts ? state_of(RICH)->shadow : bin->capacity;
        has_differed |= tls_cache->ghosts && bin->capacity != state_of(RICH)->shadow;
    }
    return NULL;
}

static void in_new_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0 && pthread_join(thread, NULL) == 0);
}

/* The shadow is what `threshold` would hold, also while the bin has another capacity. */
static void test_the_shadow_does_what_threshold_does(void)
{
    use_policy(TLS_THRESHOLD);
    in_new_thread(work, capacities);
    use_policy(TLS_MARGINAL);
    in_new_thread(work, shadows);
    for (unsigned i = 0; getenv("TELL") && i < 8; i++)
        fprintf(stderr, "batches %u: threshold %u, shadow %u\n", i, capacities[i], shadows[i]);
    CHECK(has_differed);
    for (unsigned i = 0; i < 8; i++)
        CHECK(shadows[i] == capacities[i]);
}

/* ---- at any time ------------------------------------------------------------------------------------------------ */

static atomic_bool is_over;

static void *work_at_random(void *seed)
{
    uint32_t random = *(const uint32_t *)seed;
    lifecycle_attach();
    hak_free(hak_malloc(8));
    while (!atomic_load(&is_over)) {
        ghosts_switch(tls_cache);
        burst(1 + next_random(&random) % 2000, next_random(&random) % MANY, 1 + next_random(&random) % 4);
        if (next_random(&random) % 16 == 0)
            hak_trim();
    }
    return NULL;
}

static void test_switched_at_random_under_threads(void)
{
    enum { THREADS = 3 };
    static uint32_t seeds[THREADS] = {11, 12, 13};
    pthread_t threads[THREADS];
    set_tunable(TUNABLE_tls_adapt_ms, 1);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work_at_random, &seeds[i]) == 0);
    for (unsigned i = 0; i < 600; i++) {
        set_tunable(TUNABLE_tls_policy, next_random(&random_state) / 8 % 2);
        set_tunable(TUNABLE_ghost_enable, next_random(&random_state) / 8 % 2);
        set_tunable(TUNABLE_tls_adaptive, next_random(&random_state) % 8 > 0);
        set_tunable(TUNABLE_tls_max_slots, 16 << next_random(&random_state) / 8 % 9);
        ghosts_switch(tls_cache);
        burst(64, 500, 10);
        CHECK(i % 50 || heap_is_valid());
        if (i == 50) {
            pid_t child = fork();
            if (child == 0) {
                set_tunable(TUNABLE_tls_adaptive, 1);
                use_policy(TLS_MARGINAL);
                burst(64, 500, 5000);
                CHECK(heap_is_valid());
                _exit(0);
            }
            int status;
            CHECK(waitpid(child, &status, 0) == child && status == 0);
        }
    }
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    set_tunable(TUNABLE_ghost_enable, 0);
    set_tunable(TUNABLE_tls_adaptive, 1);
    set_tunable(TUNABLE_tls_max_slots, 2048);
    set_tunable(TUNABLE_tls_adapt_ms, 1000);
    use_policy(TLS_THRESHOLD);
    uint64_t metadata = telemetry_get(&telemetry->global.metadata_bytes);
    for (unsigned i = 0; i < 20; i++) {
        use_policy(TLS_MARGINAL);
        use_policy(TLS_THRESHOLD);
    }
    CHECK(telemetry_get(&telemetry->global.metadata_bytes) == metadata); /* the same memory again and again */
}

/* In a child whose address space cannot grow, the policy stays what it was, and the program goes on. */
static void test_without_memory(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
        CHECK(tls_cache->spare_ghosts == NULL && setrlimit(RLIMIT_AS, &limit) == 0);
        set_tunable(TUNABLE_tls_policy, TLS_MARGINAL);
        ghosts_switch(tls_cache);
        CHECK(tls_cache->ghosts == NULL);
        hak_free(hak_malloc(64));
        CHECK(heap_is_valid());
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_memory_is_counted(void)
{
    uint64_t metadata = telemetry_get(&telemetry->global.metadata_bytes);
    use_policy(TLS_MARGINAL);
    uint64_t added = telemetry_get(&telemetry->global.metadata_bytes) - metadata;
    CHECK(added == round_up(sizeof(struct ghosts), PAGE_BYTES) + round_up(sizeof(struct marginal), PAGE_BYTES));
    CHECK(sizeof(struct marginal) <= 8 * 1024);
    use_policy(TLS_THRESHOLD);
}

int main(void)
{
    start_on_operations();
    hak_free(hak_malloc(1));
    test_without_memory();
    test_memory_is_counted();
    test_slots_move_to_where_they_save();
    test_no_change_for_a_small_gain();
    test_ghosts_that_saw_little_move_nothing();
    test_a_smaller_budget_is_kept();
    test_the_budget_holds_whatever_was_foretold();
    test_the_shadow_does_what_threshold_does();
    test_switched_at_random_under_threads();
    CHECK(heap_is_valid());
    puts("marginal: ok");
    return 0;
}
