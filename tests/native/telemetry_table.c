/* telemetry_table.c: every metric of telemetry.def takes a value, every event of events.def occurs, in one
 * run of varied work: found from the tables, so that none is forgotten. Derived metrics are the reader's. */
#include "component_fixture.h"
#include "central.h"
#include "fast_path.h"
#include "ghosts.h"
#include "hak_samples.h"
#include "sampler.h"
#include "hakmem.h"
#include "l25_shard.h"
#include "superslab.h"
#include "tls_cache.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
enum { MANY = 20000, MOST_METRICS = 256 };

static struct metric_seen {
    const char *name;
    bool is_seen;
} metrics[MOST_METRICS];
static bool is_event_seen[EVENT_KIND_COUNT];
static uint64_t event_position;
static bool has_ghosts; /* their rows have pages */

static const char *const event_names[] = {
#define HAK_EVENT(name, ...) #name,
#define HAK_CAUSE(name)
#include "events.def"
#undef HAK_EVENT
#undef HAK_CAUSE
};

static unsigned note(unsigned index, const char *name, uint64_t value)
{
    metrics[index].name = name;
    metrics[index].is_seen |= value != 0;
    return index + 1;
}

/* Any row that is not zero will do. */
#define SUM_OF(type, array, count, field)                                                            \
    ({                                                                                               \
        uint64_t any = 0;                                                                            \
        for (unsigned row = 0; row < (count); row++)                                                 \
            any |= telemetry_get(&(array)[row].field);                                               \
        any;                                                                                         \
    })

static uint64_t any_of_thread_class(size_t offset)
{
    uint64_t any = 0;
    for (unsigned thread = 0; thread < 8; thread++)
        for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
            any |= *(uint64_t *)((char *)&telemetry->threads[thread].classes[c] + offset);
    return any;
}

static uint64_t any_of_ghost(size_t offset)
{
    uint64_t any = 0;
    for (unsigned c = 0; has_ghosts && c < SIZE_CLASS_COUNT; c++)
        for (unsigned i = 0; i < GHOST_COUNT; i++)
            any |= *(uint64_t *)((char *)&telemetry->ghosts[c].of_capacity[i] + offset);
    return any;
}

static uint64_t any_of_copies(size_t offset, unsigned count, size_t stride)
{
    uint64_t any = 0;
    for (unsigned size = 0; has_ghosts && size < BIG_SIZE_COUNT; size++)
        for (unsigned row = 0; row < count; row++)
            any |= *(uint64_t *)((char *)&telemetry->big_copies.of_size[size] + offset + row * stride);
    return any;
}

static unsigned look(void)
{
    unsigned n = 0;
#define HAK_METRIC_GLOBAL(field, name, ...) n = note(n, name, telemetry_get(&telemetry->global.field));
#define HAK_METRIC_THREAD(field, name, ...) n = note(n, name, SUM_OF(thread, telemetry->threads, 8, field));
#define HAK_METRIC_THREAD_CLASS(field, name, ...)                                                    \
    n = note(n, name, any_of_thread_class(offsetof(struct telemetry_thread_class, field)));
#define HAK_METRIC_CLASS(field, name, ...) n = note(n, name, SUM_OF(class, telemetry->classes, SIZE_CLASS_COUNT, field));
#define HAK_METRIC_GHOST(field, name, ...) n = note(n, name, any_of_ghost(offsetof(struct telemetry_ghost, field)));
#define HAK_METRIC_BIG_SIZE(field, name, ...)                                                        \
    n = note(n, name, any_of_copies(offsetof(struct telemetry_big_size, field), 1, 0));
#define HAK_METRIC_BIG_DELAY(field, name, ...)                                                       \
    n = note(n, name, any_of_copies(offsetof(struct telemetry_big_size, of_delay[0].field), BIG_DELAY_COUNT, \
                                    sizeof(struct telemetry_big_delay)));
#define HAK_METRIC_SHARD(field, name, ...) n = note(n, name, SUM_OF(shard, telemetry->shards, 64, field));
#define HAK_METRIC_TIER(field, name, ...) n = note(n, name, SUM_OF(tier, telemetry->tiers, TIER_COUNT, field));
#include "telemetry.def"
    CHECK(n < MOST_METRICS);
    CHECK(event_cursor() - event_position <= control_block.event_mask);
    for (; event_position < event_cursor(); event_position++) {
        const struct hak_event *event = &control_block.events[event_position & control_block.event_mask];
        CHECK(event->kind < EVENT_KIND_COUNT && event->cause < EVENT_CAUSE_COUNT && event->time_ns != 0);
        is_event_seen[event->kind] = true;
    }
    return n;
}

static void *blocks[MANY];

static void burst(size_t bytes, unsigned count, unsigned rounds)
{
    for (; rounds > 0; rounds--) {
        for (unsigned i = 0; i < count; i++)
            blocks[i] = hak_malloc(bytes);
        look();
        for (unsigned i = 0; i < count; i++)
            hak_free(blocks[i]);
    }
    look();
}

static void pass_ms(unsigned ms)
{
    for (unsigned n = 0; n < ms * 1000; n++)
        hak_free(hak_malloc(16));
    look();
}

static void *live_briefly(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 3000; i++)
        hak_free(blocks[i]);
    return NULL;
}

static void use_caches(void)
{
    set_tunable(TUNABLE_ghost_enable, 1);
    ghosts_switch(tls_cache);
    has_ghosts = true;
    for (unsigned count = 50; count < 3000; count += 150) /* growing caches, whose ghosts foretell not quite what comes */
        burst(64, count, 10);
    burst(64, 3000, 60);
    burst(2000, 1000, 60);
    pass_ms(7000);
    set_tunable(TUNABLE_ss_drain_percent, 60);
    burst(1000, MANY, 1);
    pass_ms(10);
}

static void use_threads(void)
{
    for (unsigned i = 0; i < 3000; i++)
        blocks[i] = hak_malloc(64);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, live_briefly, NULL) == 0 && pthread_join(thread, NULL) == 0);
    look();
    struct telemetry_thread_class *row = &tls_cache->row->classes[SIZE_CLASS_1024];
    struct actor *actor = &tls_cache->actor;
    set_tunable(TUNABLE_remote_drain_threshold, 10);
    uint32_t fresh_slabs = 0;
    unsigned got = central_take(actor, row, 0, SIZE_CLASS_1024, blocks, 60, &fresh_slabs);
    CHECK(got > 10);
    central_give(actor, row, 1, SIZE_CLASS_1024, blocks, got);
    CHECK(central_take(actor, row, 0, SIZE_CLASS_1024, blocks, 1, &fresh_slabs) == 1);
    central_give(actor, row, 0, SIZE_CLASS_1024, blocks, 1);
    look();
}

static void use_samples(void)
{
    set_tunable(TUNABLE_sample_interval_bytes, 1);
    sampler_switch(tls_cache, false);
    burst(64, HAK_SAMPLE_SLOTS + 1, 1); /* one more than there is room for */
    for (unsigned i = 0; i < 10; i++)
        blocks[i] = hak_malloc(64);
    look();
    for (unsigned i = 0; i < 10; i++)
        hak_free(blocks[i]);
    set_tunable(TUNABLE_sample_interval_bytes, 0);
    sampler_switch(tls_cache, false);
}

static void use_pools(void)
{
    set_tunable(TUNABLE_ss_purge_delay_ms, -1); /* what is freed is kept */
    for (unsigned i = 0; i < 300; i++)
        blocks[i] = hak_malloc(2 * MIB);
    look();
    for (unsigned i = 0; i < 300; i++)
        hak_free(blocks[i]);
    look();
    for (unsigned i = 0; i < 100; i++)
        hak_free(memset(hak_calloc(1, 2 * MIB), 1, 2 * MIB)); /* another call site, in every build */
    void *growing = hak_malloc(3 * MIB), *wall = hak_malloc(3 * MIB);
    growing = hak_realloc(growing, 40 * MIB);
    hak_free(growing);
    hak_free(wall);
    set_tunable(TUNABLE_big_max_entries, 3);
    hak_free(hak_malloc(5 * MIB));
    set_tunable(TUNABLE_l25_load_per_shard, 1);
    for (unsigned held = 0; held < 2; held++) { /* each second shard is another's: one of the two is ours */
        for (unsigned shard = held; shard < 64; shard += 2)
            CHECK(lock_try(&l25_shards[shard].lock));
        hak_free(hak_malloc(50000));
        for (unsigned shard = held; shard < 64; shard += 2)
            lock_release(&l25_shards[shard].lock);
    }
    for (unsigned i = 0; i < 300; i++)
        hak_free(hak_malloc(50000));
    hak_free(hak_realloc(hak_malloc(100000), 200000));
    hak_free(hak_realloc(hak_malloc(900000), 100000));
    set_tunable(TUNABLE_ss_purge_delay_ms, 1000);
    look();
    pass_ms(3000);
    hak_trim();
    look();
}

static void use_wrongly(void)
{
    errno = 0;
    CHECK(hak_malloc((size_t)1 << 60) == NULL && errno == ENOMEM);
    set_tunable(TUNABLE_check_action, CHECK_REFUSE);
    long on_stack[4];
    hak_free(&on_stack[1]);
    look();
}

static void publish_settings(void)
{
    double values[CONTROL_VALUE_COUNT];
    settings_load(values);
    for (unsigned i = 0; i < ACTION_COUNT; i++)
        values[TUNABLE_COUNT + i] = 1; /* asked for once */
    /* As a setter would: the slot of the next generation, then the generation. */
    uint64_t next = control_generation() + 1;
    memcpy(control_block.requested + (next & 1) * CONTROL_VALUE_COUNT, values, sizeof values);
    atomic_store_explicit(&control_block.header->generation, next, memory_order_release);
    pass_ms(10);
}

static int check_all(unsigned metric_count)
{
    int missing = 0;
    for (unsigned i = 0; i < metric_count; i++)
        if (!metrics[i].is_seen)
            missing += fprintf(stderr, "metric %s: always 0\n", metrics[i].name) > 0;
    for (unsigned kind = 0; kind < EVENT_KIND_COUNT; kind++)
        if (!is_event_seen[kind])
            missing += fprintf(stderr, "event %s: never\n", event_names[kind]) > 0;
    return missing;
}

int main(void)
{
    start_on_operations();
    hak_free(hak_malloc(1));
    use_caches();
    use_threads();
    use_samples();
    use_pools();
    use_wrongly();
    publish_settings();
    pid_t child = fork();
    if (child == 0) {
        hak_trim(); /* the child's first slow path: a block, and a ring of events, of its own */
        event_position = 0;
        CHECK(check_all(look()) == 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(heap_is_valid());
    puts("telemetry_table: ok");
    return 0;
}
