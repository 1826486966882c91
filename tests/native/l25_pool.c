/* l25_pool.c: the L2.5 pool: its blocks, when its shards double, drain and are purged. */
#include "component_fixture.h"

#include "clock.h"
#include "l25_pool.h"
#include "l25_shard.h"

#include <pthread.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static struct actor actor = {.thread_id = 1};

static struct slab *slab_at(void *block)
{
    struct chunk *chunk = registry_find(block);
    CHECK(chunk && chunk_kind(chunk) == CHUNK_SLABS);
    return slab_of(chunk, block);
}

static void *take(struct actor *who, size_t bytes)
{
    bool is_zeroed;
    void *block = l25_pool_allocate(who, bytes, 1, &is_zeroed);
    CHECK(block);
    return block;
}

static void give(struct actor *who, void *block)
{
    CHECK(l25_pool_free(who, slab_at(block)));
}

static void replace(uint64_t times)
{
    while (times--)
        give(&actor, take(&actor, 64 * KIB));
}

static uint64_t live_bytes(void)
{
    return telemetry_get(&telemetry->global.l25_live_bytes);
}

static uint64_t shard_count(void)
{
    return telemetry_get(&telemetry->global.l25_shards);
}

static uint64_t free_bytes(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < L25_MAX_SHARDS; i++)
        sum += telemetry_get(&telemetry->shards[i].free_bytes);
    return sum;
}

static void purge_all(void)
{
    l25_pool_purge(&actor, clock_now_ms(&actor), true);
    CHECK(free_bytes() == 0 && l25_pool_is_valid());
}

static void check_sizes(void)
{
    for (size_t bytes = 32 * KIB + 1; bytes <= MIB; bytes += 7919) {
        bool is_zeroed = false;
        char *block = l25_pool_allocate(&actor, bytes, 1, &is_zeroed);
        size_t usable = l25_pool_block_bytes(slab_at(block));
        CHECK(usable >= bytes && (usable == 64 * KIB || usable < 2 * bytes));
        for (size_t i = 0; is_zeroed && i < usable; i += 4096)
            CHECK(block[i] == 0);
        memset(block, 1, usable);
        give(&actor, block);
    }
    bool is_zeroed;
    CHECK(l25_pool_allocate(&actor, MIB + 1, 1, &is_zeroed) == NULL);
    for (size_t alignment = 64 * KIB; alignment <= MIB; alignment *= 2) {
        void *block = l25_pool_allocate(&actor, 40 * KIB, alignment, &is_zeroed);
        CHECK(block && ((uintptr_t)block & (alignment - 1)) == 0);
        give(&actor, block);
    }
    purge_all();
}

static void check_double_free(void)
{
    void *block = take(&actor, 100 * KIB);
    struct slab *slab = slab_at(block);
    CHECK(l25_pool_free(&actor, slab));
    CHECK(!l25_pool_free(&actor, slab));
    CHECK(take(&actor, 100 * KIB) == block);
    give(&actor, block);
    purge_all();
}

static void check_live_bytes(void)
{
    uint64_t handed_out = telemetry_get(&telemetry->global.handed_out_bytes);
    CHECK(live_bytes() == 0);
    void *small = take(&actor, 64 * KIB), *large = take(&actor, MIB);
    CHECK(live_bytes() == MIB + 64 * KIB);
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == handed_out + live_bytes());
    give(&actor, small);
    give(&actor, large);
    CHECK(live_bytes() <= MIB && free_bytes() == MIB + 64 * KIB);
    purge_all();
    CHECK(live_bytes() == 0);
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == handed_out);
}

/* Windows start anew when what they measure changes. */
static void start_window(void)
{
    set_tunable(TUNABLE_l25_load_per_shard, 999);
    l25_pool_settings_changed(&actor);
    set_tunable(TUNABLE_l25_load_per_shard, 1000);
    l25_pool_settings_changed(&actor);
}

/* 1000 allocations a shard within 5 s: 64,000 do not double 64 shards, one more does. */
static void check_load(void)
{
    struct hak_event event = {0};
    CHECK(shard_count() == 64);
    start_window();
    uint64_t cursor = event_cursor();
    replace(64000);
    CHECK(shard_count() == 64);
    replace(1);
    CHECK(shard_count() == 128);
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &event) == 1);
    CHECK(event.cause == CAUSE_LOAD && event.old_value == 64 && event.new_value == 128 && event.detail == 1000);

    replace(500000); /* far more than 128,000, but in the same window */
    CHECK(shard_count() == 128);
    advance_ms(&actor, 5000);
    replace(135000);
    CHECK(shard_count() == 256);

    for (int window = 0; window < 20; window++) { /* more in total, but less in every window */
        advance_ms(&actor, 5000);
        replace(200000);
    }
    CHECK(shard_count() == 256);
    purge_all();
}

/* A lock that is held counts as contention; 5 % of failed trylocks double the shards. */
static void check_contention(void)
{
    struct hak_event event = {0};
    advance_ms(&actor, 5000);
    start_window();
    replace(1);
    uint32_t mask = (uint32_t)shard_count() - 1, home = mask + 1;
    for (uint32_t i = 0; i <= mask; i++)
        if (atomic_load(&l25_shards[i].operations) == 2 && l25_shards[i].newest[0])
            home = i;
    CHECK(home <= mask);
    uint64_t cursor = event_cursor(), shards = shard_count();
    lock_acquire(&l25_shards[home].lock);
    replace(40); /* 80 failed trylocks of 80 operations: too few operations to tell */
    CHECK(shard_count() == shards);
    replace(40);
    lock_release(&l25_shards[home].lock);
    CHECK(shard_count() == 2 * shards);
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &event) == 1 && event.cause == CAUSE_CONTENTION);
    CHECK(telemetry_get(&telemetry->shards[home].contended) >= 100);
    purge_all();
}

/* Blocks freed in many shards stay reachable for one thread, before and after the shards are fewer. */
static void check_draining(void)
{
    enum { BLOCKS = 200 };
    static void *blocks[BLOCKS];
    struct hak_event event = {0};
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take(&actor, 64 * KIB);
    for (int i = 0; i < BLOCKS; i++) {
        struct actor other = {.thread_id = (uint32_t)i * 7 + 3, .operations = actor.operations};
        give(&other, blocks[i]);
    }
    uint64_t cursor = event_cursor(), held = free_bytes(), former = shard_count();
    CHECK(held == (uint64_t)BLOCKS * 64 * KIB);
    CHECK(former > 100);
    set_tunable(TUNABLE_l25_max_shards, 100); /* the next lower power of two is used */
    l25_pool_settings_changed(&actor);
    CHECK(shard_count() == 64 && free_bytes() == held && l25_pool_is_valid());
    CHECK(count_events(cursor, EVENT_L25_EXPAND, &event) == 1);
    CHECK(event.cause == CAUSE_TUNABLE && event.old_value == (double)former && event.new_value == 64);
    for (unsigned i = 64; i < L25_MAX_SHARDS; i++)
        CHECK(telemetry_get(&telemetry->shards[i].free_bytes) == 0);
    uint64_t slabs = telemetry_get(&telemetry->global.busy_slabs);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take(&actor, 64 * KIB);
    CHECK(free_bytes() == 0 && telemetry_get(&telemetry->global.busy_slabs) == slabs);
    for (int i = 0; i < BLOCKS; i++)
        give(&actor, blocks[i]);
    set_tunable(TUNABLE_l25_max_shards, 1024);
    l25_pool_settings_changed(&actor);
    purge_all();
}

static void check_purge(void)
{
    void *old = take(&actor, MIB), *young = take(&actor, MIB);
    give(&actor, old);
    advance_ms(&actor, 900);
    give(&actor, young);
    advance_ms(&actor, 100);
    CHECK(l25_pool_purge(&actor, clock_now_ms(&actor), false) == MIB && free_bytes() == MIB);
    set_tunable(TUNABLE_ss_purge_delay_ms, -1);
    advance_ms(&actor, 100000);
    CHECK(l25_pool_purge(&actor, clock_now_ms(&actor), false) == 0 && free_bytes() == MIB);
    set_tunable(TUNABLE_ss_purge_delay_ms, 1000);
    replace(64); /* frees give back what is idle in their shard, without a purge */
    CHECK(free_bytes() == 64 * KIB);
    set_tunable(TUNABLE_ss_purge_delay_ms, 0);
    give(&actor, take(&actor, MIB)); /* at once */
    CHECK(free_bytes() == 64 * KIB);
    set_tunable(TUNABLE_ss_purge_delay_ms, 1000);
    purge_all();
}

/* Free blocks of one class do not keep another from its memory. */
static void check_exhaustion(void)
{
    void *blocks[32];
    bool is_zeroed;
    superslab_purge(&actor, clock_now_ms(&actor), true);
    uint64_t chunks = 0;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        chunks += telemetry_get(&telemetry->tiers[tier].chunks);
    CHECK(chunks >= 1 && chunks <= 2); /* ss.retain_chunks */
    set_tunable(TUNABLE_ss_max_chunks, 1);
    unsigned count = 0;
    struct slab *spans[64];
    for (unsigned i = 0; i < 32 * (chunks - 1); i++)
        CHECK((spans[i] = superslab_acquire(&actor, 1, SLAB_L25, 0, 0)) != NULL);
    while (count < 32 && (blocks[count] = l25_pool_allocate(&actor, 64 * KIB, 1, &is_zeroed)) != NULL)
        count++;
    CHECK(count == 32 && l25_pool_allocate(&actor, 64 * KIB, 1, &is_zeroed) == NULL);
    for (unsigned i = 0; i < 32 * (chunks - 1); i++)
        superslab_release(&actor, spans[i], 0);
    while (count)
        give(&actor, blocks[--count]);
    give(&actor, take(&actor, MIB));
    set_tunable(TUNABLE_ss_max_chunks, 0);
    purge_all();
    CHECK(live_bytes() == 0);
}

enum { THREADS = 4, SLOTS = 64, REPLACEMENTS = 20000 };
static _Atomic(void *) slots[SLOTS];

static void *replace_shared(void *argument)
{
    struct actor self = {.thread_id = *(uint32_t *)argument};
    uint32_t random = self.thread_id * 7919;
    for (unsigned i = 0; i < REPLACEMENTS; i++) {
        self.operations += 100;
        uint32_t bits = next_random(&random);
        size_t bytes = 32 * KIB + 1 + (bits >> 8) % (MIB - 32 * KIB);
        unsigned char *block = take(&self, bytes);
        block[0] = block[bytes - 1] = 1;
        void *former = atomic_exchange(&slots[bits % SLOTS], block);
        if (former)
            give(&self, former);
        if (i % 4096 == 0)
            CHECK(l25_pool_is_valid());
    }
    return NULL;
}

static void check_threads(void)
{
    pthread_t threads[THREADS];
    uint32_t names[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        names[i] = 100 + i;
        CHECK(pthread_create(&threads[i], NULL, replace_shared, &names[i]) == 0);
    }
    for (int i = 0; i < 50; i++) {
        set_tunable(TUNABLE_l25_max_shards, i % 2 ? 1024 : 64);
        l25_pool_settings_changed(&actor);
        l25_pool_purge(&actor, 0, i % 8 == 0);
        l25_pool_acquire_locks();
        l25_pool_release_locks();
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++) {
        void *block = atomic_exchange(&slots[i], NULL);
        if (block)
            give(&actor, block);
    }
    purge_all();
    CHECK(live_bytes() == 0 && superslab_is_valid());
}

/* From a lone block of 64 KiB to 1 MiB and back, as far as its neighbours allow. */
static void check_resizing(void)
{
    unsigned grown = 0;
    char *holders[64];
    for (unsigned i = 0; i < 64; i++) /* two chunks of neighbours in use */
        holders[i] = take(&actor, 64 * KIB);
    CHECK(!l25_pool_resize(&actor, slab_at(holders[10]), 128 * KIB) || slab_at(holders[10])->span_slabs == 2);
    for (unsigned i = 0; i < 64; i++)
        give(&actor, holders[i]);
    purge_all();
    uint64_t live = live_bytes();
    char *block = take(&actor, 1024 * KIB);
    memset(block, 7, 1024 * KIB);
    CHECK(l25_pool_resize(&actor, slab_at(block), 60 * KIB) && slab_at(block)->span_slabs == 1);
    CHECK(live_bytes() <= live + L25_MAX_BYTES && superslab_is_valid());
    for (size_t bytes = 128 * KIB; bytes <= 1024 * KIB; bytes *= 2)
        grown += l25_pool_resize(&actor, slab_at(block), bytes);
    CHECK(grown == 4 && l25_pool_block_bytes(slab_at(block)) == 1024 * KIB && superslab_is_valid());
    CHECK(slab_at(block + 1000 * KIB) == slab_at(block));
    for (size_t i = 0; i < 64 * KIB; i++)
        CHECK(block[i] == 7);
    CHECK(l25_pool_resize(&actor, slab_at(block), 128 * KIB));
    char *neighbour = NULL, *others[64];
    unsigned count = 0;
    while (count < 64 && neighbour != block + 128 * KIB)
        neighbour = others[count++] = take(&actor, 128 * KIB);
    if (neighbour == block + 128 * KIB)
        CHECK(!l25_pool_resize(&actor, slab_at(block), 256 * KIB)); /* taken */
    CHECK(!l25_pool_resize(&actor, slab_at(block), 100) && !l25_pool_resize(&actor, slab_at(block), 2 * MIB));
    while (count)
        give(&actor, others[--count]);
    give(&actor, block);
    purge_all();
    CHECK(live_bytes() == 0 && superslab_is_valid());
}

/* What outgrew its block starts where a longer one waits, and grows over the rest of it. */
static void check_growing(void)
{
    uint64_t live = live_bytes();
    char *longest = take(&actor, 1024 * KIB), *shorter = take(&actor, 128 * KIB), *fitting = take(&actor, 64 * KIB);
    give(&actor, shorter);
    give(&actor, fitting);
    give(&actor, longest);
    uint64_t free_before = free_bytes();
    char *block = l25_pool_allocate_growing(&actor, 40 * KIB);
    CHECK(block == longest && l25_pool_block_bytes(slab_at(block)) == 64 * KIB);
    CHECK(free_bytes() == free_before - 1024 * KIB && l25_pool_is_valid() && superslab_is_valid());
    for (size_t bytes = 128 * KIB; bytes <= 1024 * KIB; bytes *= 2)
        CHECK(l25_pool_resize(&actor, slab_at(block), bytes) && l25_pool_block_bytes(slab_at(block)) == bytes);
    char *second = l25_pool_allocate_growing(&actor, 64 * KIB), *third = l25_pool_allocate_growing(&actor, 64 * KIB);
    CHECK(second == shorter && third == fitting); /* as far as there are longer ones */
    char *none = l25_pool_allocate_growing(&actor, 512 * KIB);
    CHECK(none && slab_at(none)->span_slabs == 8 && l25_pool_allocate_growing(&actor, MIB + 1) == NULL);
    give(&actor, block);
    give(&actor, second);
    give(&actor, third);
    give(&actor, none);
    purge_all();
    CHECK(live_bytes() <= live && superslab_is_valid());
}

int main(void)
{
    start_on_operations();
    l25_pool_settings_changed(&actor);
    check_sizes();
    check_double_free();
    check_live_bytes();
    check_load();
    check_contention();
    check_draining();
    check_purge();
    check_exhaustion();
    check_threads();
    check_resizing();
    check_growing();
    puts("l25_pool: ok");
    return 0;
}
