/* big_probes.c: BigCache and L2.5 pool: big.*, l25.*. */
#include "probe.h"

#include "big_cache.h"
#include "l25_shard.h"

static void *take(size_t bytes, uint64_t call_site)
{
    bool is_zeroed;
    void *block = big_cache_allocate(&probe_actor, bytes, 1, call_site, &is_zeroed);
    CHECK(block);
    return block;
}

static void give(void *block)
{
    CHECK(big_cache_free(&probe_actor, registry_find(block)));
}

/* `count` freed blocks of 2 MiB, each of a call site of its own. All are kept. */
static void cache_blocks(unsigned count)
{
    set(TUNABLE_ss_purge_delay_ms, -1);
    for (unsigned i = 0; i < count; i++)
        blocks[i] = take(2 * MIB, i);
    for (unsigned i = 0; i < count; i++)
        give(blocks[i]);
}

PROBE(big_initial_buckets)
{
    CHECK(GLOBAL(big_buckets) == 1024); /* from the environment: tunables.c */
    check_is_fixed(TUNABLE_big_initial_buckets, 256);
}

PROBE(big_max_buckets)
{
    uint64_t cursor = event_cursor();
    struct hak_event last;
    set(TUNABLE_big_max_buckets, 128);
    CHECK(GLOBAL(big_buckets) == 128);
    CHECK(count_events(cursor, EVENT_BIG_RESIZE, &last) > 0 && last.new_value == 128);
    cache_blocks(200);
    CHECK(GLOBAL(big_buckets) == 128 && GLOBAL(big_entries) == 200);
    set(TUNABLE_big_max_buckets, 1024);
    CHECK(GLOBAL(big_buckets) == 512);
}

PROBE(big_load_factor)
{
    set(TUNABLE_big_load_factor, 4);
    cache_blocks(400);
    CHECK(GLOBAL(big_buckets) == 1024);
    set(TUNABLE_big_load_factor, 0.25);
    CHECK(GLOBAL(big_buckets) == 2048);
}

/* One block used often and idle for long, one used once just now: which is left under a limit of one? */
static uint64_t call_site_left(void)
{
    for (int i = 0; i < 5; i++)
        give(take(5 * MIB, 1));
    advance_ms(&probe_actor, 50);
    give(take(9 * MIB, 2));
    set(TUNABLE_big_max_entries, 1);
    CHECK(GLOBAL(big_entries) == 1);
    uint64_t hits = GLOBAL(big_hits);
    give(take(5 * MIB, 1));
    bool is_first = GLOBAL(big_hits) > hits;
    set(TUNABLE_big_max_entries, 49152);
    hak_trim();
    return is_first ? 1 : 2;
}

PROBE(big_policy)
{
    set(TUNABLE_ss_purge_delay_ms, -1);
    uint64_t evictions = GLOBAL(big_evictions);
    CHECK(call_site_left() == 2);
    set(TUNABLE_big_policy, BIG_LFU);
    CHECK(call_site_left() == 1);
    CHECK(GLOBAL(big_evictions) >= evictions + 2);
}

PROBE(big_hash)
{
    cache_blocks(100);
    uint64_t hits = GLOBAL(big_hits);
    set(TUNABLE_big_hash, BIG_MIX64);
    CHECK(big_cache_is_valid() && GLOBAL(big_entries) == 100);
    cache_blocks(100); /* what was placed by the other hash is found by this one */
    CHECK(GLOBAL(big_hits) == hits + 100);
}

PROBE(big_max_bytes)
{
    uint64_t cursor = event_cursor();
    cache_blocks(20);
    CHECK(GLOBAL(big_bytes) == 40 * MIB);
    set(TUNABLE_big_max_bytes, 10 * MIB);
    CHECK(GLOBAL(big_bytes) == 10 * MIB && count_events(cursor, EVENT_BIG_EVICT, NULL) == 15);
    cache_blocks(20);
    CHECK(GLOBAL(big_bytes) == 10 * MIB);
}

PROBE(big_max_entries)
{
    uint64_t evictions = GLOBAL(big_evictions);
    cache_blocks(20);
    set(TUNABLE_big_max_entries, 5);
    CHECK(GLOBAL(big_entries) == 5 && GLOBAL(big_evictions) == evictions + 15);
    set(TUNABLE_big_max_entries, 0);
    cache_blocks(20);
    CHECK(GLOBAL(big_entries) == 0);
}

/* ---- L2.5 ---------------------------------------------------------------------------------------- */

static void use_l25(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        hak_free(hak_malloc(50000));
}

PROBE(l25_initial_shards)
{
    CHECK(GLOBAL(l25_shards) == 16);
    check_is_fixed(TUNABLE_l25_initial_shards, 64);
}

PROBE(l25_max_shards)
{
    uint64_t cursor = event_cursor();
    struct hak_event last;
    set(TUNABLE_l25_max_shards, 4);
    CHECK(GLOBAL(l25_shards) == 4);
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &last) == 1 && last.old_value == 16 && last.new_value == 4);
    set(TUNABLE_l25_load_per_shard, 1);
    use_l25(100);
    CHECK(GLOBAL(l25_shards) == 4);
    set(TUNABLE_l25_max_shards, 64);
    use_l25(100);
    CHECK(GLOBAL(l25_shards) == 8); /* once a window */
}

PROBE(l25_load_per_shard)
{
    use_l25(2000);
    CHECK(GLOBAL(l25_shards) == 16);
    set(TUNABLE_l25_load_per_shard, 100);
    uint64_t cursor = event_cursor();
    struct hak_event last;
    use_l25(2000);
    CHECK(GLOBAL(l25_shards) == 32);
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &last) == 1 && last.cause == CAUSE_LOAD);
}

PROBE(l25_window_ms)
{
    set(TUNABLE_l25_load_per_shard, 100);
    set(TUNABLE_l25_window_ms, 100);
    for (int i = 0; i < 5; i++) { /* 800 in each window, 1600 would be too many */
        use_l25(800);
        pass_ms(150);
    }
    CHECK(GLOBAL(l25_shards) == 16);
    set(TUNABLE_l25_window_ms, 60000);
    for (int i = 0; i < 5; i++) {
        use_l25(800);
        pass_ms(150);
    }
    CHECK(GLOBAL(l25_shards) == 32);
}

/* Somebody else holds the shard that this thread would use. */
static void use_contended_l25(void)
{
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned shard = 0; shard < 16; shard++)
            CHECK(lock_try(&l25_shards[shard].lock) || shard >= 16);
        /* All but one neighbour are free again: one failed trylock or more an operation, and no wait. */
        for (unsigned shard = i % 2; shard < 16; shard += 2)
            lock_release(&l25_shards[shard].lock);
        hak_free(hak_malloc(50000));
        for (unsigned shard = 1 - i % 2; shard < 16; shard += 2)
            lock_release(&l25_shards[shard].lock);
    }
}

PROBE(l25_contention_percent)
{
    set(TUNABLE_l25_max_shards, 16); /* lists stay where the loop above holds them */
    set(TUNABLE_l25_contention_percent, 0);
    uint64_t contended = 0;
    use_contended_l25();
    for (unsigned shard = 0; shard < 16; shard++)
        contended += telemetry_get(&telemetry->shards[shard].contended);
    CHECK(contended >= 100 && GLOBAL(l25_shards) == 16);
    set(TUNABLE_l25_max_shards, 1024);
    use_contended_l25();
    CHECK(GLOBAL(l25_shards) == 16);
    set(TUNABLE_l25_contention_percent, 5);
    uint64_t cursor = event_cursor();
    struct hak_event last;
    use_contended_l25();
    CHECK(GLOBAL(l25_shards) == 32);
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &last) == 1 && last.cause == CAUSE_CONTENTION);
}
