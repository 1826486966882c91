/* pool_probes.c: SuperSlabs, remote frees, registry, the system: ss.*, remote.*, registry.*, os.thp. */
#include "probe.h"

#include "central.h"
#include "superslab.h"

#include <errno.h>
#include <sys/stat.h>

static uint64_t chunks_in(enum tier tier)
{
    return telemetry_get(&telemetry->tiers[tier].chunks);
}

static uint64_t chunks(void)
{
    return chunks_in(TIER_HOT) + chunks_in(TIER_DRAINING) + chunks_in(TIER_FREE);
}

static struct slab *spans[64];

static void acquire(unsigned count, unsigned span_slabs)
{
    for (unsigned i = 0; i < count; i++)
        CHECK((spans[i] = superslab_acquire(&probe_actor, span_slabs, SLAB_L25, span_slabs == 16 ? 4 : 0, 0)) != NULL);
}

static void release(unsigned from, unsigned count, unsigned step)
{
    for (unsigned i = from; i < count; i += step)
        superslab_release(&probe_actor, spans[i], (uint32_t)(probe_actor.operations / 1000));
}

PROBE(ss_max_chunks)
{
    uint64_t before = chunks(), out_of_memory = GLOBAL(out_of_memory), cursor = event_cursor();
    set(TUNABLE_ss_max_chunks, (double)(before + 3));
    unsigned got = 0;
    errno = 0;
    while (got < MOST_BLOCKS && (blocks[got] = hak_malloc(1000)) != NULL)
        got++;
    CHECK(errno == ENOMEM && got < 10000 && chunks() == before + 3);
    CHECK(GLOBAL(out_of_memory) == out_of_memory + 1 && count_events(cursor, EVENT_OOM, NULL) == 1);
    CHECK(count_events(cursor, EVENT_SS_EXPAND, NULL) == 3);
    set(TUNABLE_ss_max_chunks, 0);
    blocks[got] = hak_malloc(1000);
    CHECK(blocks[got] && chunks() == before + 4);
    for (unsigned i = 0; i <= got; i++)
        hak_free(blocks[i]);
}

PROBE(ss_drain_percent)
{
    set(TUNABLE_ss_drain_percent, 0);
    acquire(8, 16); /* two a chunk */
    release(0, 8, 2);
    CHECK(chunks_in(TIER_DRAINING) == 0);
    acquire(8, 16);
    set(TUNABLE_ss_drain_percent, 60);
    uint64_t cursor = event_cursor();
    release(0, 8, 2);
    CHECK(chunks_in(TIER_DRAINING) >= 2 && count_events(cursor, EVENT_TIER_CHANGE, NULL) >= 2);
}

PROBE(ss_empty_reuse)
{
    acquire(20, 1);
    release(0, 10, 1);
    uint64_t reused = GLOBAL(acquired_last) + GLOBAL(acquired_recycled), cursor = event_cursor();
    acquire(2, 1);
    CHECK(GLOBAL(acquired_last) + GLOBAL(acquired_recycled) == reused + 2);
    CHECK(count_events(cursor, EVENT_SS_REUSE, NULL) >= 1); /* at once, then at most each 100 ms */
    set(TUNABLE_ss_empty_reuse, 0);
    reused = GLOBAL(acquired_last) + GLOBAL(acquired_recycled);
    acquire(2, 1);
    CHECK(GLOBAL(acquired_last) + GLOBAL(acquired_recycled) == reused);
}

PROBE(ss_empty_scan_limit)
{
    acquire(12, 16);
    release(0, 12, 2); /* half of each of six chunks is free */
    superslab_purge(&probe_actor, 0, true); /* and clean */
    uint64_t scanned = GLOBAL(scanned_recycled);
    acquire(1, 1);
    CHECK(GLOBAL(scanned_recycled) - scanned >= 5);
    set(TUNABLE_ss_empty_scan_limit, 2);
    scanned = GLOBAL(scanned_recycled);
    acquire(1, 1);
    CHECK(GLOBAL(scanned_recycled) - scanned <= 2);
}

static void free_a_big_block(void)
{
    hak_free(memset(hak_malloc(3 * MIB), 1, 3 * MIB));
}

PROBE(ss_purge_delay_ms)
{
    free_a_big_block();
    set(TUNABLE_ss_purge_delay_ms, -1);
    pass_ms(3000);
    CHECK(GLOBAL(big_entries) == 1);
    uint64_t purged = GLOBAL(purged_bytes), cursor = event_cursor();
    set(TUNABLE_ss_purge_delay_ms, 500); /* what is idle for longer goes at once */
    pass_ms(800);
    CHECK(GLOBAL(big_entries) == 0 && GLOBAL(purged_bytes) >= purged + 3 * MIB);
    CHECK(count_events(cursor, EVENT_PURGE, NULL) > 0);
    free_a_big_block();
    pass_ms(300);
    CHECK(GLOBAL(big_entries) == 1);
    set(TUNABLE_ss_purge_delay_ms, 0);
    free_a_big_block();
    CHECK(GLOBAL(big_entries) == 0);
}

static void empty_ten_chunks(void)
{
    acquire(20, 16);
    release(0, 20, 1);
    superslab_purge(&probe_actor, (uint32_t)(probe_actor.operations / 1000) + 60001, false);
}

PROBE(ss_retain_chunks)
{
    uint64_t cursor = event_cursor();
    set(TUNABLE_ss_retain_chunks, 5);
    empty_ten_chunks();
    CHECK(chunks_in(TIER_FREE) == 5 && count_events(cursor, EVENT_SS_FREE, NULL) > 0);
    set(TUNABLE_ss_retain_chunks, 0);
    empty_ten_chunks();
    CHECK(chunks_in(TIER_FREE) == 0);
}

/* ---- remote frees: blocks of heap 0 that heap 1 gives back ------------------------------------------ */

static struct telemetry_thread_class row;

static void give_remotely(unsigned count)
{
    CHECK(central_take(&probe_actor, &row, 0, SIZE_CLASS_1024, blocks, count, &(uint32_t){0}) == count);
    central_give(&probe_actor, &row, 1, SIZE_CLASS_1024, blocks, count);
}

/* Whether heap 0 drains 200 pending blocks when it is next used, though its slabs have blocks. */
static bool is_drained(void)
{
    uint64_t received = telemetry_get(&row.remote_received);
    give_remotely(200);
    void *block;
    CHECK(central_take(&probe_actor, &row, 0, SIZE_CLASS_1024, &block, 1, &(uint32_t){0}) == 1);
    bool has_drained = telemetry_get(&row.remote_received) >= received + 200;
    central_give(&probe_actor, &row, 0, SIZE_CLASS_1024, &block, 1);
    central_drain_all(&probe_actor);
    return has_drained;
}

static void hold_a_long_list(void)
{
    for (unsigned i = 0; i < 5000; i++)
        CHECK(central_take(&probe_actor, &row, 0, SIZE_CLASS_1024, &blocks[i], 1, &(uint32_t){0}) == 1);
    for (unsigned i = 0; i < 5000; i += 2)
        central_give(&probe_actor, &row, 0, SIZE_CLASS_1024, &blocks[i], 1);
}

PROBE(remote_drain_enable)
{
    hold_a_long_list();
    set(TUNABLE_remote_drain_threshold, 100);
    uint64_t cursor = event_cursor();
    CHECK(is_drained() && count_events(cursor, EVENT_REMOTE_DRAIN, NULL) == 1);
    cursor = event_cursor();
    set(TUNABLE_remote_drain_enable, 0);
    CHECK(!is_drained() && count_events(cursor, EVENT_REMOTE_DRAIN, NULL) == 0);
}

PROBE(remote_drain_threshold)
{
    hold_a_long_list();
    CHECK(!is_drained()); /* 1024 */
    set(TUNABLE_remote_drain_threshold, 150);
    CHECK(is_drained());
    set(TUNABLE_remote_drain_threshold, 400);
    CHECK(!is_drained());
}

PROBE(remote_batch)
{
    give_remotely(60); /* of one slab, in batches of 16 */
    CHECK(telemetry_get(&row.remote_sent) == 60 && telemetry_get(&row.remote_batches) == 4);
    central_drain_all(&probe_actor);
    set(TUNABLE_remote_batch, 1);
    give_remotely(60);
    CHECK(telemetry_get(&row.remote_batches) == 4 + 60);
    central_drain_all(&probe_actor);
    set(TUNABLE_remote_batch, 256);
    give_remotely(60);
    CHECK(telemetry_get(&row.remote_batches) == 4 + 60 + 1);
    central_drain_all(&probe_actor);
}

/* ---- registry, system ------------------------------------------------------------------------------ */

PROBE(registry_initial_entries)
{
    CHECK(GLOBAL(registry_capacity) == 256);
    check_is_fixed(TUNABLE_registry_initial_entries, 64);
}

/* The kernel's word on the mapping that a chunk lies in; false where it gives none. */
static bool chunk_has_flag(const struct chunk *chunk, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool is_inside = false, has_flag = false;
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && strchr(line, ' ') > strchr(line, '-'))
            is_inside = (uintptr_t)chunk->base >= start && (uintptr_t)chunk->base < end;
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
            has_flag = strstr(line, flag) != NULL;
    }
    if (maps)
        fclose(maps);
    return has_flag;
}

static const struct chunk *map_a_chunk(void)
{
    uint64_t before = GLOBAL(acquired_new);
    for (unsigned i = 0; GLOBAL(acquired_new) == before; i++) {
        CHECK(i < 64);
        CHECK((spans[i] = superslab_acquire(&probe_actor, 16, SLAB_L25, 4, 0)) != NULL);
        if (GLOBAL(acquired_new) > before)
            return slab_chunk(spans[i]);
    }
    return NULL;
}

/* The chunk of the first block of `bytes` that makes the process grow. */
static const struct chunk *fill_a_chunk(size_t bytes, unsigned *count)
{
    for (uint64_t before = GLOBAL(acquired_new); GLOBAL(acquired_new) == before; ++*count) {
        CHECK(*count < MOST_BLOCKS);
        CHECK((blocks[*count] = hak_malloc(bytes)) != NULL);
    }
    return registry_find(blocks[*count - 1]);
}

static void check_dense(bool has_thp)
{
    unsigned count = 0;
    set(TUNABLE_os_thp, THP_DENSE);
    for (unsigned i = 0; i < SIZE_CLASS_COUNT; i++) /* a span of every class, hardly used */
        CHECK((blocks[count++] = hak_malloc(size_classes[i].bytes)) != NULL);
    CHECK(!chunk_has_flag(map_a_chunk(), " hg"));
    CHECK(!chunk_has_flag(fill_a_chunk(1024, &count), " hg"));
    const struct chunk *chunk;
    do
        chunk = fill_a_chunk(1024, &count);
    while (has_thp && !chunk_has_flag(chunk, " hg"));
    CHECK(!chunk_has_flag(map_a_chunk(), " hg")); /* for larger blocks, whose pages may stay untouched */
    void *survivor = blocks[--count]; /* the first of its chunk */
    CHECK(registry_find(survivor) == chunk);
    while (count)
        hak_free(blocks[--count]);
    set(TUNABLE_ss_retain_chunks, 1024);
    heap_trim(); /* what was given back stays so */
    CHECK(chunk_kind(chunk) == CHUNK_SLABS && !chunk_has_flag(chunk, " hg"));
    hak_free(survivor);
}

static bool has_huge_pages(void)
{
    struct stat status;
    return stat("/sys/kernel/mm/transparent_hugepage", &status) == 0;
}

/* Whether huge pages are asked for in the next chunk. */
static bool is_next_chunk_huge(unsigned *count)
{
    return chunk_has_flag(fill_a_chunk(1024, count), " hg");
}

PROBE(os_thp_from_bytes)
{
    enum { BIG_BYTES = 15 << 20 }; /* seven and a half frames */
    unsigned count = 0;
    set(TUNABLE_os_thp, THP_GROWN);
    for (unsigned i = 0; i < 7; i++) /* so many that the one which is begun counts for less than a fifth below */
        CHECK(!is_next_chunk_huge(&count)); /* the process is small */
    set(TUNABLE_os_thp_from_bytes, 1 << 20);
    CHECK(!is_next_chunk_huge(&count)); /* it has written to little */
    for (unsigned i = 0; i < count; i++)
        memset(blocks[i], 1, 1024);
    CHECK(is_next_chunk_huge(&count) == has_huge_pages());
    char *big = hak_malloc(BIG_BYTES), *sparse = hak_malloc(8 * BIG_BYTES);
    CHECK(big && chunk_has_flag(registry_find(big), " hg") == has_huge_pages());
    CHECK(sparse && !is_next_chunk_huge(&count)); /* most of what it holds is untouched */
    hak_free(big);
    hak_free(sparse);
    while (count)
        hak_free(blocks[--count]);
}

PROBE(os_thp)
{
    bool has_thp = has_huge_pages();
    set(TUNABLE_os_thp, THP_DEFAULT);
    uint64_t calls = GLOBAL(madvise_calls);
    const struct chunk *chunk = map_a_chunk();
    CHECK(GLOBAL(madvise_calls) == calls && !chunk_has_flag(chunk, " nh") && !chunk_has_flag(chunk, " hg"));
    set(TUNABLE_os_thp, THP_NEVER);
    calls = GLOBAL(madvise_calls);
    chunk = map_a_chunk();
    CHECK(GLOBAL(madvise_calls) == calls + 1 && chunk_has_flag(chunk, " nh") == has_thp);
    set(TUNABLE_os_thp, THP_ALWAYS);
    calls = GLOBAL(madvise_calls);
    chunk = map_a_chunk();
    CHECK(GLOBAL(madvise_calls) == calls + 1 && chunk_has_flag(chunk, " hg") == has_thp);
    check_dense(has_thp);
}
