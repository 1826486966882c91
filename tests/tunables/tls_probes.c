/* tls_probes.c: the thread caches: tls.*, mid.*, route.profile. */
#include "probe.h"

#include "magazine.h"

static const struct telemetry_thread_class *row_of(unsigned class_index)
{
    return &tls_cache->row->classes[class_index];
}

static uint64_t capacity_of(unsigned class_index)
{
    CHECK(telemetry_get(&row_of(class_index)->capacity) == bin_of(class_index)->capacity);
    return bin_of(class_index)->capacity;
}

PROBE(tls_adaptive)
{
    burst(64, 640, 100);
    CHECK(capacity_of(SIZE_CLASS_64) > 64);
    set(TUNABLE_tls_adaptive, 0);
    CHECK(capacity_of(SIZE_CLASS_64) == 64);
    burst(64, 640, 100);
    CHECK(capacity_of(SIZE_CLASS_64) == 64);
    set(TUNABLE_tls_adaptive, 1);
    burst(64, 640, 100);
    CHECK(capacity_of(SIZE_CLASS_64) > 64);
}

static void check_new_thread_starts_with_32(void)
{
    hak_free(hak_malloc(64));
    CHECK(capacity_of(SIZE_CLASS_64) == 32);
}

PROBE(tls_initial_slots)
{
    hak_free(hak_malloc(64));
    set(TUNABLE_tls_initial_slots, 32);
    CHECK(capacity_of(SIZE_CLASS_64) == 64); /* new threads only */
    in_new_thread(check_new_thread_starts_with_32);
}

PROBE(tls_min_slots)
{
    hak_free(hak_malloc(256));
    pass_ms(5000);
    CHECK(capacity_of(SIZE_CLASS_256) == 16);
    set(TUNABLE_tls_min_slots, 4);
    pass_ms(5000);
    CHECK(capacity_of(SIZE_CLASS_256) == 4);
    set(TUNABLE_tls_min_slots, 40);
    CHECK(capacity_of(SIZE_CLASS_256) == 40);
}

PROBE(tls_max_slots)
{
    burst(64, 3000, 60);
    CHECK(capacity_of(SIZE_CLASS_64) == 2048);
    set(TUNABLE_tls_max_slots, 128);
    CHECK(capacity_of(SIZE_CLASS_64) == 128 && telemetry_get(&row_of(SIZE_CLASS_64)->cached) <= 128);
    burst(64, 300, 600);
    CHECK(capacity_of(SIZE_CLASS_64) == 128);
}

/* A swing of `share_percent` of 64 slots, over many decisions. */
static void swing(unsigned share_percent)
{
    unsigned count = 64 * share_percent / 100;
    burst(64, count, 3000 / count * 20);
}

PROBE(tls_grow_percent)
{
    set(TUNABLE_tls_adapt_ms, 2);
    set(TUNABLE_tls_grow_exchange_percent, 0);
    set(TUNABLE_tls_grow_percent, 99);
    set(TUNABLE_tls_shrink_percent, 1);
    swing(75);
    CHECK(capacity_of(SIZE_CLASS_64) == 64);
    set(TUNABLE_tls_grow_percent, 50);
    swing(75);
    CHECK(capacity_of(SIZE_CLASS_64) > 64);
}

/* Takes and gives blocks at random, and returns the capacity of the cache at the end. A cache of C slots moves 4 / C blocks
 * for each that is taken: C / 2 of them each time the drift has come that far, which takes (C / 2)^2 operations. */
static uint64_t drift(unsigned class_index, unsigned operations)
{
    uint32_t random = 1;
    unsigned held = 0;
    while (operations-- > 0) {
        if (held == 0 || (held < MOST_BLOCKS && next_random(&random) % 2))
            blocks[held++] = hak_malloc(size_classes[class_index].bytes);
        else
            hak_free(blocks[--held]);
    }
    uint64_t capacity = capacity_of(class_index);
    while (held > 0)
        hak_free(blocks[--held]);
    return capacity;
}

PROBE(tls_grow_exchange_percent)
{
    set(TUNABLE_tls_adapt_ms, 2);
    set(TUNABLE_tls_grow_percent, 99);
    swing(75); /* from the second burst on without an exchange */
    set(TUNABLE_tls_grow_percent, 50);
    swing(75);
    CHECK(capacity_of(SIZE_CLASS_64) == 64);
    set(TUNABLE_tls_grow_exchange_percent, 0);
    swing(75);
    CHECK(capacity_of(SIZE_CLASS_64) > 64);
    set(TUNABLE_tls_adapt_ms, 0);
    CHECK(drift(SIZE_CLASS_192, 4000000) >= 1024);
    set(TUNABLE_tls_grow_exchange_percent, 2); /* 4 / 2 % = 200 slots */
    uint64_t capacity = drift(SIZE_CLASS_256, 4000000);
    CHECK(capacity >= 256 && capacity <= 512);
}

PROBE(tls_shrink_percent)
{
    set(TUNABLE_tls_adapt_ms, 2);
    set(TUNABLE_tls_shrink_percent, 1);
    swing(40);
    CHECK(capacity_of(SIZE_CLASS_64) == 64);
    set(TUNABLE_tls_shrink_percent, 49);
    swing(40);
    CHECK(capacity_of(SIZE_CLASS_64) < 64);
}

/* Decisions by refills alone, of bursts that refill and flush. */
static unsigned count_decisions(void)
{
    uint64_t before = telemetry_get(&row_of(SIZE_CLASS_64)->decisions);
    burst(64, 300, 20);
    return (unsigned)(telemetry_get(&row_of(SIZE_CLASS_64)->decisions) - before);
}

PROBE(tls_adapt_refills)
{
    set(TUNABLE_tls_adapt_ms, 0);
    set(TUNABLE_tls_max_slots, 64);
    set(TUNABLE_tls_adapt_refills, 10000);
    CHECK(count_decisions() == 0);
    set(TUNABLE_tls_adapt_refills, 1);
    unsigned every = count_decisions();
    set(TUNABLE_tls_adapt_refills, 10);
    unsigned every_tenth = count_decisions();
    CHECK(every >= 100 && every_tenth >= 10 && every_tenth <= every / 5);
}

PROBE(tls_adapt_ms)
{
    hak_free(hak_malloc(256));
    set(TUNABLE_tls_adapt_ms, 0);
    pass_ms(5000);
    CHECK(capacity_of(SIZE_CLASS_256) == 64);
    set(TUNABLE_tls_adapt_ms, 10);
    pass_ms(100);
    CHECK(capacity_of(SIZE_CLASS_256) == 16);
}

static void check_new_thread_is_warm(void)
{
    hak_free(hak_malloc(64));
    CHECK(telemetry_get(&row_of(SIZE_CLASS_64)->misses) == 0);
    CHECK(telemetry_get(&row_of(SIZE_CLASS_64)->filled) == 32 && telemetry_get(&row_of(SIZE_CLASS_512)->cached) == 32);
}

PROBE(tls_prewarm_slots)
{
    set(TUNABLE_tls_prewarm_slots, 32);
    in_new_thread(check_new_thread_is_warm);
}

static uint64_t blocks_of_a_refill(void)
{
    hak_trim(); /* magazines and caches are empty */
    uint64_t before = telemetry_get(&row_of(SIZE_CLASS_64)->filled);
    hak_free(hak_malloc(64));
    return telemetry_get(&row_of(SIZE_CLASS_64)->filled) - before;
}

PROBE(tls_refill_percent)
{
    void *keeps_its_slab = hak_malloc(64);
    set(TUNABLE_tls_refill_percent, 5);
    CHECK(blocks_of_a_refill() == 3);
    set(TUNABLE_tls_refill_percent, 100);
    CHECK(blocks_of_a_refill() == 64);
    hak_free(keeps_its_slab);
}

PROBE(tls_max_bytes)
{
    burst(1024, 600, 60);
    CHECK(capacity_of(SIZE_CLASS_1024) == 512); /* 512 KiB */
    set(TUNABLE_tls_max_bytes, 16384);
    CHECK(capacity_of(SIZE_CLASS_1024) == 16 && telemetry_get(&row_of(SIZE_CLASS_1024)->cached) <= 16);
    set(TUNABLE_tls_max_bytes, 0);
    burst(1024, 3000, 60);
    CHECK(capacity_of(SIZE_CLASS_1024) == 2048);
}

static void check_new_ring_has_24(void)
{
    hak_free(hak_malloc(2000));
    CHECK(capacity_of(SIZE_CLASS_2048) == 24);
}

/* What the cache of 64-byte blocks holds after 64 slabs were taken for another class. */
static uint64_t cached_after_growth(void)
{
    burst(64, 1000, 1);
    burst(4096, 1024, 1);
    return telemetry_get(&row_of(SIZE_CLASS_64)->cached);
}

PROBE(tls_reclaim_slabs)
{
    set(TUNABLE_tls_adapt_ms, 0);
    set(TUNABLE_tls_reclaim_slabs, 0);
    CHECK(cached_after_growth() > 0);
    set(TUNABLE_tls_reclaim_slabs, 16);
    hak_trim();
    CHECK(cached_after_growth() == 0);
}

/* Takes blocks[from..to) and frees none. */
static void take_only(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        CHECK((blocks[i] = hak_malloc(64)) != NULL);
}

static void free_only(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        hak_free(blocks[i]);
}

static void check_frees_stay_below_a_fifth(void)
{
    free_only(0, 8000);
    CHECK(capacity_of(SIZE_CLASS_64) == 2048 * 20 / 100);
}

PROBE(tls_one_way_percent)
{
    set(TUNABLE_tls_adapt_ms, 0);
    set(TUNABLE_tls_adapt_refills, 4);
    take_only(0, 8000);
    CHECK(capacity_of(SIZE_CLASS_64) == 2048 * 20 / 100);
    in_new_thread(check_frees_stay_below_a_fifth);
    set(TUNABLE_tls_one_way_percent, 100);
    take_only(0, 8000);
    CHECK(capacity_of(SIZE_CLASS_64) == 2048);
    uint64_t cursor = event_cursor();
    set(TUNABLE_tls_one_way_percent, 5);
    take_only(8000, MOST_BLOCKS);
    struct hak_event last;
    CHECK(count_events(cursor, EVENT_TLS_SHRINK, &last) == 5 && last.cause == CAUSE_ONE_WAY);
    CHECK(capacity_of(SIZE_CLASS_64) == 2048 * 5 / 100);
    free_only(0, MOST_BLOCKS);
    burst(64, 600, 60); /* both ways: what it takes and frees between decisions */
    CHECK(capacity_of(SIZE_CLASS_64) > 600);
}

PROBE(mid_ring_slots)
{
    hak_free(hak_malloc(2000));
    CHECK(capacity_of(SIZE_CLASS_2048) == 48);
    set(TUNABLE_mid_ring_slots, 24);
    CHECK(capacity_of(SIZE_CLASS_2048) == 48);
    in_new_thread(check_new_ring_has_24);
}

PROBE(mid_ring_min_slots)
{
    hak_free(hak_malloc(2000));
    set(TUNABLE_mid_ring_min_slots, 6);
    uint64_t cursor = event_cursor();
    pass_ms(6000);
    CHECK(capacity_of(SIZE_CLASS_2048) == 6 && count_events(cursor, EVENT_RING_RESIZE, NULL) >= 3);
    set(TUNABLE_mid_ring_min_slots, 40);
    CHECK(capacity_of(SIZE_CLASS_2048) == 40);
}

PROBE(mid_ring_max_slots)
{
    burst(2000, 400, 60);
    CHECK(capacity_of(SIZE_CLASS_2048) > 100);
    set(TUNABLE_mid_ring_max_slots, 48);
    CHECK(capacity_of(SIZE_CLASS_2048) == 48);
    burst(2000, 400, 60);
    CHECK(capacity_of(SIZE_CLASS_2048) == 48);
    set(TUNABLE_mid_ring_min_slots, 0);
    set(TUNABLE_mid_ring_slots, 0);
    set(TUNABLE_mid_ring_max_slots, 0); /* no ring at all */
    burst(2000, 400, 2);
    CHECK(capacity_of(SIZE_CLASS_2048) == 0 && telemetry_get(&row_of(SIZE_CLASS_2048)->cached) == 0);
}

static size_t served(size_t bytes)
{
    void *block = hak_malloc(bytes);
    size_t usable = hak_malloc_usable_size(block);
    hak_free(block);
    return usable;
}

PROBE(route_profile)
{
    CHECK(served(48) == 48 && served(1000) == 1024);
    set(TUNABLE_route_profile, PROFILE_HOT);
    CHECK(served(48) == 48 && served(500) == 512 && served(1000) == 1152);
    uint64_t before = telemetry_get(&row_of(MID_FIRST_CLASS)->allocations);
    set(TUNABLE_route_profile, PROFILE_OFF);
    CHECK(served(8) == 1152 && served(1000) == 1152);
    pass_ms(1);
    CHECK(telemetry_get(&row_of(MID_FIRST_CLASS)->allocations) > before + 500);
    set(TUNABLE_route_profile, PROFILE_FULL);
    CHECK(served(48) == 48 && served(1000) == 1024);
}

static uint64_t ghost_count(unsigned class_index, unsigned ghost)
{
    const struct telemetry_ghost *row = &telemetry->ghosts[class_index].of_capacity[ghost];
    return telemetry_get(&row->refills) + telemetry_get(&row->flushes);
}

PROBE(sample_interval_bytes)
{
    burst(64, 100, 1000);
    CHECK(telemetry_get(&telemetry->global.samples_taken) == 0);
    set(TUNABLE_sample_interval_bytes, 640);
    burst(64, 100, 1000);
    uint64_t taken = telemetry_get(&telemetry->global.samples_taken);
    CHECK(taken > 1000 && telemetry_get(&telemetry->global.samples_live) == 0);
    set(TUNABLE_sample_interval_bytes, 0);
    taken = telemetry_get(&telemetry->global.samples_taken);
    burst(64, 100, 1000);
    CHECK(telemetry_get(&telemetry->global.samples_taken) == taken);
}

PROBE(ghost_enable)
{
    burst(64, 100, 1000);
    CHECK(ghost_count(SIZE_CLASS_64, 0) == 0);
    set(TUNABLE_ghost_enable, 1);
    burst(64, 100, 1000);
    uint64_t counted = ghost_count(SIZE_CLASS_64, 0);
    CHECK(counted > ghost_count(SIZE_CLASS_64, 2) && ghost_count(SIZE_CLASS_64, 2) > ghost_count(SIZE_CLASS_64, 8));
    set(TUNABLE_ghost_enable, 0);
    counted = ghost_count(SIZE_CLASS_64, 0); /* switching off publishes the rest */
    burst(64, 100, 1000);
    CHECK(ghost_count(SIZE_CLASS_64, 0) == counted);
}

/* Batches of 400 fit into 512 slots. A cache that has grown to 1024 keeps them by its usage; its ghosts say that it need not. */
PROBE(tls_policy)
{
    burst(64, 640, 100);
    burst(64, 400, 10000);
    CHECK(capacity_of(SIZE_CLASS_64) == 1024 && ghost_count(SIZE_CLASS_64, 0) == 0);
    set(TUNABLE_tls_policy, TLS_MARGINAL);
    burst(64, 400, 20000);
    CHECK(capacity_of(SIZE_CLASS_64) == 512 && ghost_count(SIZE_CLASS_64, 0) > 0);
    set(TUNABLE_tls_policy, TLS_THRESHOLD);
    uint64_t counted = ghost_count(SIZE_CLASS_64, 0);
    burst(64, 640, 100);
    CHECK(capacity_of(SIZE_CLASS_64) == 1024 && ghost_count(SIZE_CLASS_64, 0) == counted);
}
