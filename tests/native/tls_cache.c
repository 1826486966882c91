/* tls_cache.c: bins grow and shrink by the swing of their fill; what they hold is given back; blocks
 * that another thread frees come home; wrong pointers are refused. */
#include "central.h"
#include "component_fixture.h"
#include "fast_path.h"
#include "hakmem.h"
#include "superslab.h"
#include "tls_cache.h"

#include <errno.h>
#include <pthread.h>

enum { MANY = 20000 };
static void *blocks[MANY];

static struct bin *bin_of(unsigned class_index)
{
    return &tls_cache->bins[class_index];
}

static void burst(size_t bytes, unsigned count, unsigned rounds)
{
    for (; rounds > 0; rounds--) {
        for (unsigned i = 0; i < count; i++)
            blocks[i] = hak_malloc(bytes);
        for (unsigned i = 0; i < count; i++)
            hak_free(blocks[i]);
    }
}

/* `ms` of operations on a class that is not looked at. */
static void pass_ms(unsigned ms)
{
    for (unsigned n = 0; n < ms * 1000; n++)
        hak_free(hak_malloc(16));
}

static void test_hot_grows_cold_shrinks(void)
{
    burst(64, 640, 100);
    burst(256, 1, 1);
    CHECK(bin_of(SIZE_CLASS_64)->capacity >= 512);
    uint64_t cursor = event_cursor();
    pass_ms(7000);
    struct hak_event last;
    CHECK(count_events(cursor, EVENT_TLS_SHRINK, &last) > 0);
    CHECK(bin_of(SIZE_CLASS_64)->capacity == 16 && bin_of(SIZE_CLASS_256)->capacity == 16);
    CHECK(bin_of(SIZE_CLASS_64)->top - bin_of(SIZE_CLASS_64)->base <= 16);
}

/* A pair of malloc and free swings by one block: usage is small however often it happens. */
static void test_a_steady_pair_does_not_grow(void)
{
    for (unsigned n = 0; n < 100000; n++)
        hak_free(hak_malloc(512));
    CHECK(bin_of(SIZE_CLASS_512)->capacity <= 64);
}

/* Decisions that change nothing are many: told once a change and a sweep, all counted. */
static void test_what_stays_is_told_once(void)
{
    set_tunable(TUNABLE_tls_adapt_ms, 0); /* no sweep */
    set_tunable(TUNABLE_tls_max_slots, 64);
    burst(80, 640, 10);
    const _Atomic uint64_t *decisions = &tls_cache->row->classes[bin_of(SIZE_CLASS_80)->class_index].decisions;
    uint64_t cursor = event_cursor(), decided = telemetry_get(decisions);
    burst(80, 640, 100);
    CHECK(telemetry_get(decisions) > decided + 100 && count_events(cursor, EVENT_TLS_KEEP, NULL) == 0);
    set_tunable(TUNABLE_tls_adapt_ms, 60000);
    struct hak_event last;
    cursor = event_cursor();
    pass_ms(60000); /* a sweep, which may have the first of it to decide */
    burst(80, 640, 100);
    CHECK(count_events(cursor, EVENT_TLS_KEEP, &last) == 1);
    CHECK(last.item == bin_of(SIZE_CLASS_80)->class_index && last.new_value == 64 && last.detail > 80);
    set_tunable(TUNABLE_tls_adapt_ms, 1000);
    set_tunable(TUNABLE_tls_max_slots, 2048);
    cursor = event_cursor();
    burst(80, 640, 100);
    CHECK(count_events(cursor, EVENT_TLS_GROW, NULL) > 0 && bin_of(SIZE_CLASS_80)->capacity > 64);
}

static void test_sums_are_told_when_due(void)
{
    struct actor actor = {.operations = 5000000};
    struct event_sum sum = {0};
    CHECK(event_sum_add(&sum, &actor, 7) == 7); /* the first at once */
    advance_ms(&actor, EVENT_SUM_PERIOD_MS - 1);
    CHECK(event_sum_add(&sum, &actor, 2) == 0);
    struct actor behind = {.operations = 1000};
    CHECK(event_sum_add(&sum, &behind, 4) == 0);
    advance_ms(&actor, 1);
    CHECK(event_sum_add(&sum, &actor, 1) == 7);
    CHECK(event_sum_add(&sum, &actor, 3) == 0);
}

static void test_fixed_when_not_adaptive(void)
{
    set_tunable(TUNABLE_tls_adaptive, 0);
    burst(96, 1000, 100);
    CHECK(bin_of(SIZE_CLASS_96)->capacity == (uint32_t)SETTING(tls_initial_slots));
    set_tunable(TUNABLE_tls_adaptive, 1);
}

static void *free_all(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < MANY; i++)
        hak_free(blocks[i]);
    return NULL;
}

static void test_blocks_freed_elsewhere_come_home(void)
{
    for (unsigned round = 0; round < 20; round++) {
        pthread_t thread;
        for (unsigned i = 0; i < MANY; i++)
            memset(blocks[i] = hak_malloc(80), (int)i, 80);
        CHECK(pthread_create(&thread, NULL, free_all, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(central_is_valid());
    }
    hak_trim();
    central_drain_all(NULL);
    CHECK(telemetry_get(&telemetry->classes[SIZE_CLASS_80].out) == 0);
    CHECK(telemetry_get(&telemetry->classes[SIZE_CLASS_80].slabs) == 0);
}

static void test_trim_gives_everything_back(void)
{
    burst(1024, MANY, 1);
    CHECK(hak_trim() == 1);
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.busy_slabs) == 0);
    CHECK(telemetry_get(&telemetry->global.committed_bytes) == 0);
    CHECK(telemetry_get(&tls_cache->row->cached_bytes) == 0);
}

static void test_wrong_pointers_are_refused(void)
{
    set_tunable(TUNABLE_check_action, CHECK_REFUSE);
    uint64_t before = telemetry_get(&telemetry->global.corruptions);
    int on_stack;
    char *block = hak_malloc(100), *large = hak_malloc(200000), *big = hak_malloc(3000000);
    uint64_t cursor = event_cursor();
    struct hak_event last;
    errno = 77;
    hak_free(&on_stack);
    CHECK(count_events(cursor, EVENT_CORRUPTION, &last) == 1 && last.cause == CAUSE_FOREIGN);
    hak_free(block + 4);
    CHECK(count_events(cursor, EVENT_CORRUPTION, &last) == 2 && last.cause == CAUSE_MISALIGNED);
    hak_free(large + 4096);
    CHECK(count_events(cursor, EVENT_CORRUPTION, &last) == 3);
    hak_free(large);
    hak_free(large);
    CHECK(count_events(cursor, EVENT_CORRUPTION, &last) == 4);
    hak_free(big);
    hak_free(big);
    CHECK(count_events(cursor, EVENT_CORRUPTION, &last) == 5);
    CHECK(errno == 77);
    CHECK(telemetry_get(&telemetry->global.corruptions) == before + 5);
    hak_free(block);
    set_tunable(TUNABLE_check_action, CHECK_ABORT);
}

/* Whatever profile sends small blocks elsewhere, aligned ones are aligned. */
static void test_aligned_in_each_profile(void)
{
    for (unsigned profile = PROFILE_CONSERVATIVE; profile <= PROFILE_FULL; profile++) {
        set_tunable(TUNABLE_route_profile, profile);
        tls_cache_adopt_route(tls_cache);
        for (size_t alignment = 16; alignment <= 1024; alignment *= 2)
            for (size_t bytes = 1; bytes <= 1024; bytes += 37) {
                void *one = fast_memalign(alignment, bytes, NULL), *other = fast_memalign(alignment, bytes, NULL);
                CHECK(((uintptr_t)one | (uintptr_t)other) % alignment == 0 && hak_malloc_usable_size(one) >= bytes);
                hak_free(one);
                hak_free(other);
            }
        CHECK(tls_cache->route_profile == profile && heap_is_valid());
    }
    set_tunable(TUNABLE_route_profile, PROFILE_CONSERVATIVE);
    tls_cache_adopt_route(tls_cache);
}

int main(void)
{
    start_on_operations();
    hak_free(hak_malloc(1));
    test_hot_grows_cold_shrinks();
    test_a_steady_pair_does_not_grow();
    test_what_stays_is_told_once();
    test_sums_are_told_when_due();
    test_fixed_when_not_adaptive();
    test_blocks_freed_elsewhere_come_home();
    test_trim_gives_everything_back();
    test_aligned_in_each_profile();
    test_wrong_pointers_are_refused();
    CHECK(heap_is_valid());
    puts("tls_cache: ok");
    return 0;
}
