/* big_cache.c: the BigCache: what it keeps and finds again, its buckets, what leaves first, resizing. */
#include "big_fixture.h"
#include "big_table.h"

#include <pthread.h>

/* A test's tunables; all at once, then the component is told. */
static void set(enum tunable tunable, double value)
{
    set_tunable(tunable, value);
    big_cache_settings_changed(&actor);
}

static void *resize(const struct actor *self, void *block, size_t bytes)
{
    struct chunk *chunk = registry_find(block);
    void *resized = big_cache_resize(self, chunk, bytes);
    if (resized && resized != block)
        big_cache_leave(self, chunk);
    return resized;
}

static void purge_all(void)
{
    for (int i = 0; i < 20; i++) /* buckets halve once a purge */
        big_cache_purge(&actor, clock_now_ms(&actor), true);
    CHECK(GLOBAL(big_entries) == 0 && GLOBAL(big_bytes) == 0 && GLOBAL(big_buckets) == 256);
    CHECK(big_cache_is_valid());
}

static void check_sizes(void)
{
    uint64_t committed = GLOBAL(committed_bytes), handed_out = GLOBAL(handed_out_bytes);
    for (size_t bytes = MIB + 1; bytes < 40 * MIB; bytes += bytes / 3) {
        bool is_zeroed = false;
        char *block = big_cache_allocate(&actor, bytes, 1, bytes, &is_zeroed);
        struct chunk *chunk = registry_find(block);
        size_t usable = big_cache_block_bytes(chunk);
        size_t extent = round_up(bytes + chunk->color_bytes, PAGE_BYTES); /* pages that the block lies on */
        CHECK(usable == extent - chunk->color_bytes && registry_find(block + usable - 1) == chunk);
        CHECK(is_zeroed);
        for (size_t i = 0; i < usable; i += PAGE_BYTES)
            CHECK(block[i] == 0);
        memset(block, 1, usable);
        CHECK(GLOBAL(big_live) == 1 && GLOBAL(big_live_bytes) == extent);
        CHECK(GLOBAL(handed_out_bytes) == handed_out + extent && GLOBAL(committed_bytes) == committed + extent);
        give(block);
        CHECK(GLOBAL(big_entries) == 1 && GLOBAL(big_bytes) == extent && GLOBAL(big_live) == 0);
        purge_all(); /* the next one finds these frames zeroed */
        CHECK(GLOBAL(committed_bytes) == committed);
    }
    for (size_t alignment = PAGE_BYTES; alignment <= 64 * MIB; alignment *= 2) {
        bool is_zeroed;
        void *block = big_cache_allocate(&actor, 3 * MIB, alignment, 1, &is_zeroed);
        CHECK(block && ((uintptr_t)block & (alignment - 1)) == 0);
        give(block);
        CHECK(big_cache_is_valid());
    }
    bool is_zeroed;
    CHECK(big_cache_allocate(&actor, SIZE_MAX - 5, 1, 1, &is_zeroed) == NULL);
    CHECK(big_cache_allocate(&actor, (size_t)1 << 62, 1, 1, &is_zeroed) == NULL);
    CHECK(big_cache_allocate(&actor, (size_t)1 << 50, 1, 1, &is_zeroed) == NULL);
    purge_all();
}

static void check_lookup(void)
{
    uint64_t hits = GLOBAL(big_hits), class_hits = GLOBAL(big_class_hits), lookups = GLOBAL(big_lookups);
    void *first = take(9 * MIB, 1), *second = take(9 * MIB, 2);
    give(first);
    give(second);
    CHECK(take(9 * MIB, 1) == first && GLOBAL(big_hits) == hits + 1); /* its own site's */
    CHECK(take(10 * MIB - 4096, 3) == second && GLOBAL(big_class_hits) == class_hits + 1); /* same capacity */
    give(first);
    give(second);
    void *larger = take(12 * MIB, 1), *smaller = take(3 * MIB, 1);
    CHECK(larger != first && larger != second && smaller != first && smaller != second);
    CHECK(GLOBAL(big_hits) == hits + 1 && GLOBAL(big_class_hits) == class_hits + 1);
    CHECK(GLOBAL(big_lookups) == lookups + 6);
    give(larger);
    give(smaller);
    void *huge = take(200 * MIB, 1); /* the open class: never more than twice the request */
    give(huge);
    void *other = take(130 * MIB, 1);
    CHECK(registry_find(other) == registry_find(huge)); /* on another line of its first page */
    give(other);
    huge = take(600 * MIB, 1);
    give(huge);
    other = take(256 * MIB, 1);
    CHECK(registry_find(other) != registry_find(huge));
    give(other);
    purge_all();
}

static void check_double_free(void)
{
    struct chunk *chunk = registry_find(take(2 * MIB, 1));
    CHECK(big_cache_free(&actor, chunk));
    CHECK(!big_cache_free(&actor, chunk));
    CHECK(GLOBAL(big_entries) == 1 && GLOBAL(big_live) == 0);
    CHECK(big_cache_resize(&actor, chunk, 4 * MIB) == NULL);
    purge_all();
}

enum { MANY = 400 };
static void *blocks[MANY];

static void take_many(int count)
{
    for (int i = 0; i < count; i++)
        blocks[i] = take(MIB + 1, 1000 + (uint64_t)i * 16);
}

static void find_many_again(int count)
{
    uint64_t hits = GLOBAL(big_hits);
    for (int i = 0; i < count; i++)
        CHECK(take(MIB + 1, 1000 + (uint64_t)i * 16) == blocks[i]);
    CHECK(GLOBAL(big_hits) == hits + (uint64_t)count);
}

static void give_many(int count)
{
    for (int i = 0; i < count; i++)
        give(blocks[i]);
}

/* Load factor 0.75: the 193rd entry doubles 256 buckets, the 385th doubles 512. */
static void check_buckets(void)
{
    struct hak_event event = {0};
    uint64_t cursor = event_cursor(), evictions = GLOBAL(big_evictions);
    take_many(MANY);
    give_many(192);
    CHECK(GLOBAL(big_buckets) == 256);
    give(blocks[192]);
    CHECK(GLOBAL(big_buckets) == 512 && count_events(cursor, EVENT_BIG_RESIZE, &event) == 1);
    CHECK(event.old_value == 256 && event.new_value == 512 && event.detail == 193 && event.cause == CAUSE_LOAD);
    for (int i = 193; i < 384; i++)
        give(blocks[i]);
    CHECK(GLOBAL(big_buckets) == 512 && big_cache_is_valid());
    for (int i = 384; i < MANY; i++)
        give(blocks[i]);
    CHECK(GLOBAL(big_buckets) == 1024 && GLOBAL(big_evictions) == evictions && big_cache_is_valid());
    find_many_again(MANY);
    CHECK(GLOBAL(big_entries) == 0 && big_cache_is_valid());
    give_many(MANY);

    set(TUNABLE_big_hash, BIG_MIX64);
    CHECK(big_cache_is_valid());
    find_many_again(MANY);
    give_many(MANY);
    set(TUNABLE_big_max_buckets, 300); /* 256 are used */
    CHECK(GLOBAL(big_buckets) == 256 && big_cache_is_valid());
    set(TUNABLE_big_hash, BIG_FNV1A);
    CHECK(big_cache_is_valid());
    find_many_again(MANY);
    give_many(MANY);
    CHECK(GLOBAL(big_buckets) == 256 && GLOBAL(big_entries) == MANY);
    set(TUNABLE_big_max_buckets, 65536);
    CHECK(GLOBAL(big_buckets) == 1024);
    set(TUNABLE_big_load_factor, 0.25);
    CHECK(GLOBAL(big_buckets) == 2048 && big_cache_is_valid());
    find_many_again(MANY);
    give_many(MANY);
    set(TUNABLE_big_load_factor, 0.75);

    /* Idle entries leave after ss.purge_delay_ms, then the buckets halve, one step a second. */
    set(TUNABLE_ss_purge_delay_ms, 1000);
    advance_ms(&actor, 999);
    CHECK(big_cache_purge(&actor, clock_now_ms(&actor), false) == 0 && GLOBAL(big_entries) == MANY);
    advance_ms(&actor, 1);
    CHECK(big_cache_purge(&actor, clock_now_ms(&actor), false) > 0 && GLOBAL(big_entries) == 0);
    for (unsigned buckets = 2048; buckets >= 256; buckets /= 2) {
        CHECK(GLOBAL(big_buckets) == buckets);
        advance_ms(&actor, 500);
        big_cache_purge(&actor, clock_now_ms(&actor), false);
        CHECK(GLOBAL(big_buckets) == buckets);
        advance_ms(&actor, 500);
        big_cache_purge(&actor, clock_now_ms(&actor), false);
    }
    purge_all();
    set(TUNABLE_ss_purge_delay_ms, -1);
}

static bool is_cached(const void *block)
{
    const struct chunk *chunk = registry_find(block);
    return chunk && atomic_load(&chunk->big_state) == BIG_CACHED;
}

static void check_policy(void)
{
    uint64_t cursor = event_cursor(), evictions = GLOBAL(big_evictions);
    take_many(8);
    set(TUNABLE_big_max_entries, 4);
    for (int i = 0; i < 8; i++) {
        advance_ms(&actor, 1);
        give(blocks[i]);
    }
    for (int i = 0; i < 8; i++)
        CHECK(is_cached(blocks[i]) == (i >= 4)); /* LRU: the four that came last */
    CHECK(GLOBAL(big_evictions) == evictions + 4 && count_events(cursor, EVENT_BIG_EVICT, NULL) == 4);
    purge_all();

    set(TUNABLE_big_policy, BIG_LFU);
    take_many(5);
    for (int i = 0; i < 5; i++)
        for (int use = 0; use < (i == 2 ? 1 : 5); use++) {
            give(blocks[i]);
            CHECK(take(MIB + 1, 1000 + (uint64_t)i * 16) == blocks[i]);
        }
    give_many(5);
    for (int i = 0; i < 5; i++)
        CHECK(is_cached(blocks[i]) == (i != 2)); /* LFU: all but the one that was used once */
    set(TUNABLE_big_policy, BIG_LRU);
    purge_all();

    set(TUNABLE_big_max_entries, 49152);
    take_many(8);
    give_many(8);
    size_t each = round_up(MIB + 1, PAGE_BYTES);
    CHECK(GLOBAL(big_bytes) == 8 * each);
    set(TUNABLE_big_max_bytes, (double)(3 * each));
    CHECK(GLOBAL(big_entries) == 3 && GLOBAL(big_bytes) == 3 * each);
    give(take(5 * MIB, 1)); /* alone beyond the limit: the others stay */
    CHECK(GLOBAL(big_entries) == 3);
    set(TUNABLE_big_max_entries, 0);
    CHECK(GLOBAL(big_entries) == 0);
    give(take(MIB + 1, 1));
    CHECK(GLOBAL(big_entries) == 0);
    set(TUNABLE_big_max_entries, 49152);
    set(TUNABLE_big_max_bytes, 0);
    give(take(MIB + 1, 1));
    CHECK(GLOBAL(big_entries) == 0);
    set(TUNABLE_big_max_bytes, 1024.0 * 1024 * 1024);
    set(TUNABLE_ss_purge_delay_ms, 0);
    give(take(MIB + 1, 1));
    CHECK(GLOBAL(big_entries) == 0);
    set(TUNABLE_ss_purge_delay_ms, -1);
    give(take(MIB + 1, 1));
    advance_ms(&actor, 100000);
    CHECK(big_cache_purge(&actor, clock_now_ms(&actor), false) == 0 && GLOBAL(big_entries) == 1);
    purge_all();
}

/* Idle bytes that are kept at a free: a few and as many as are in use, and more where the program takes them again. */
static void check_retention(void)
{
    enum { FEW = 8, ROUNDS = 40 };
    size_t each = round_up(MIB + 1, PAGE_BYTES);
    set(TUNABLE_ss_purge_delay_ms, 1000);
    take_many(MANY);
    give_many(MANY / 2);
    CHECK(GLOBAL(big_entries) == MANY / 2); /* the other half is in use */
    uint64_t calls = GLOBAL(mapping_calls);
    for (int i = MANY / 2; i < MANY; i++)
        give(blocks[i]);
    CHECK(GLOBAL(big_bytes) > (FEW - 2) * MIB && GLOBAL(big_bytes) <= FEW * MIB);
    CHECK(GLOBAL(mapping_calls) - calls <= MANY);
    void *large = take(100 * MIB, 1);
    calls = GLOBAL(mapping_calls);
    give(large); /* goes alone, the others stay */
    CHECK(GLOBAL(mapping_calls) == calls + 1 && GLOBAL(big_bytes) > (FEW - 2) * MIB);
    purge_all();

    for (int round = 0; round < ROUNDS; round++) { /* in turns, at once: what returns earns its place */
        calls = GLOBAL(mapping_calls);
        take_many(64);
        give_many(64);
        give(take(100 * MIB, 1));
    }
    CHECK(GLOBAL(mapping_calls) == calls && GLOBAL(big_bytes) >= 64 * each + 100 * MIB);
    advance_ms(&actor, 1000); /* in vain */
    big_cache_purge(&actor, clock_now_ms(&actor), false);
    CHECK(GLOBAL(big_entries) == 0);
    take_many(64);
    give_many(64);
    CHECK(GLOBAL(big_bytes) <= FEW * MIB);
    purge_all();
    set(TUNABLE_ss_purge_delay_ms, -1);
}

static void fill(uint32_t *block, size_t bytes)
{
    for (size_t i = 0; i < bytes / 4; i += 1021)
        block[i] = (uint32_t)i * 2654435761u;
}

static void check_content(const uint32_t *block, size_t bytes)
{
    for (size_t i = 0; i < bytes / 4; i += 1021)
        CHECK(block[i] == (uint32_t)i * 2654435761u);
}

/* Growth behind which something stands moves the pages, again and again; nothing is lost or leaked. */
static void check_resize(void)
{
    uint64_t committed = GLOBAL(committed_bytes), handed_out = GLOBAL(handed_out_bytes);
    uint64_t entries = GLOBAL(registry_entries);
    for (int with_obstacles = 0; with_obstacles < 2; with_obstacles++) {
        void *obstacles[64];
        int obstacle_count = 0, moves = 0;
        size_t bytes = MIB + 4096;
        uint32_t *block = take(bytes, 7);
        fill(block, bytes);
        while (bytes < 64 * MIB) {
            if (with_obstacles)
                obstacles[obstacle_count++] = take(MIB + 1, 8);
            size_t larger = bytes + bytes / 3 / 4 * 4;
            uint32_t *moved = resize(&actor, block, larger);
            CHECK(moved);
            moves += moved != block;
            block = moved;
            check_content(block, bytes);
            fill(block, larger);
            bytes = larger;
            CHECK(GLOBAL(big_live_bytes) == round_up(bytes + registry_find(block)->color_bytes, PAGE_BYTES) +
                                                (size_t)obstacle_count * round_up(MIB + 1, PAGE_BYTES));
            CHECK(GLOBAL(handed_out_bytes) == handed_out + GLOBAL(big_live_bytes));
            CHECK(big_cache_is_valid());
        }
        CHECK(with_obstacles ? moves > 3 : moves == 0);
        CHECK(big_cache_resize(&actor, registry_find(block), 3 * MIB) == block);
        check_content(block, 3 * MIB);
        CHECK(GLOBAL(committed_bytes) == committed + round_up(3 * MIB + registry_find(block)->color_bytes, PAGE_BYTES) +
                                             (size_t)obstacle_count * round_up(MIB + 1, PAGE_BYTES));
        char *tail = (char *)big_cache_resize(&actor, registry_find(block), 5 * MIB);
        CHECK(tail[3 * MIB + PAGE_BYTES] == 0 && tail[5 * MIB - 1] == 0); /* its pages had gone */
        CHECK(big_cache_resize(&actor, registry_find(block), SIZE_MAX - 5) == NULL);
        CHECK(big_cache_resize(&actor, registry_find(block), (size_t)1 << 50) == NULL);
        check_content(block, 3 * MIB);
        while (obstacle_count)
            give(obstacles[--obstacle_count]);
        give(block);
        purge_all();
        CHECK(GLOBAL(committed_bytes) == committed && GLOBAL(registry_entries) == entries);
    }
    bool is_zeroed; /* frames that pages came from, or went to, read as zeros */
    char *block = big_cache_allocate(&actor, 200 * MIB, 1, 1, &is_zeroed);
    for (size_t i = 0; is_zeroed && i < 200 * MIB; i += PAGE_BYTES)
        CHECK(block[i] == 0);
    give(block);
    purge_all();
}

enum { THREADS = 4, SLOTS = 24, REPLACEMENTS = 6000, RACES = 500 };
static _Atomic(void *) slots[SLOTS];

static void *replace_shared(void *argument)
{
    struct actor self = {.thread_id = *(uint32_t *)argument};
    uint32_t random = self.thread_id * 7919;
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        bool is_zeroed;
        uint32_t bits = next_random(&random);
        self.operations += 1000;
        size_t bytes = MIB + 1 + (bits >> 8) % (4 * MIB);
        unsigned char *block = big_cache_allocate(&self, bytes, 1, bits % 61, &is_zeroed);
        CHECK(block);
        block[0] = block[bytes - 1] = 1;
        if (bits % 16 == 0)
            block = resize(&self, block, bytes + bytes / 2);
        CHECK(block && block[0] == 1 && block[bytes - 1] == 1);
        void *former = atomic_exchange(&slots[bits % SLOTS], block);
        if (former)
            CHECK(big_cache_free(&self, registry_find(former)));
        if (i % 1024 == 0)
            CHECK(big_cache_is_valid());
    }
    return NULL;
}

static void check_threads(void)
{
    pthread_t threads[THREADS];
    uint32_t names[THREADS];
    set(TUNABLE_ss_purge_delay_ms, 1000);
    for (uint32_t i = 0; i < THREADS; i++) {
        names[i] = 100 + i;
        CHECK(pthread_create(&threads[i], NULL, replace_shared, &names[i]) == 0);
    }
    for (int i = 0; i < 100; i++) {
        set(TUNABLE_big_hash, i % 2);
        set(TUNABLE_big_load_factor, i % 3 ? 0.25 : 4);
        set(TUNABLE_big_max_buckets, i % 5 ? 65536 : 256);
        set(TUNABLE_big_policy, i / 2 % 2);
        set(TUNABLE_ghost_enable, i % 3 > 0);
        set(TUNABLE_big_max_entries, i % 7 ? 1000 : 3);
        set(TUNABLE_big_max_bytes, i % 4 ? 1e9 : 1e7);
        big_cache_purge(&actor, 0, i % 8 == 0);
        big_cache_acquire_locks();
        big_cache_release_locks();
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++) {
        void *block = atomic_exchange(&slots[i], NULL);
        if (block)
            give(block);
    }
    set(TUNABLE_big_load_factor, 0.75);
    set(TUNABLE_ss_purge_delay_ms, -1);
    purge_all();
    CHECK(GLOBAL(big_live) == 0 && GLOBAL(big_live_bytes) == 0 && superslab_is_valid());
}

static struct chunk *_Atomic raced;
static atomic_int successes, racers_done;

static void *race_to_free(void *unused)
{
    (void)unused;
    struct actor self = {.thread_id = 9};
    struct chunk *last = NULL;
    for (int i = 0; i < RACES; i++) {
        struct chunk *chunk;
        while ((chunk = atomic_load(&raced)) == last)
            sched_yield();
        last = chunk;
        atomic_fetch_add(&successes, big_cache_free(&self, chunk));
        atomic_fetch_add(&racers_done, 1);
    }
    return NULL;
}

/* Of two frees of one block exactly one succeeds. */
static void check_double_free_race(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, race_to_free, NULL) == 0);
    struct chunk *kept[2] = {registry_find(take(2 * MIB, 1)), registry_find(take(2 * MIB, 2))};
    for (int i = 0; i < RACES; i++) {
        atomic_store(&racers_done, 0);
        atomic_store(&successes, 0);
        atomic_store(&raced, kept[i % 2]);
        while (atomic_load(&racers_done) < 2)
            sched_yield();
        CHECK(atomic_load(&successes) == 1);
        CHECK(take(2 * MIB, 1 + (uint64_t)i % 2) == kept[i % 2]->base);
    }
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    give(kept[0]->base);
    give(kept[1]->base);
    purge_all();
}

int main(void)
{
    start_on_operations();
    set(TUNABLE_ss_purge_delay_ms, -1); /* what is freed is kept */
    check_sizes();
    check_lookup();
    check_double_free();
    check_buckets();
    check_policy();
    check_retention();
    check_resize();
    check_threads();
    check_double_free_race();
    puts("big_cache: ok");
    return 0;
}
