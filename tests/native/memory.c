/* memory.c: what stays resident: after a burst, after threads, in threads that did little. One behaviour a
 * process, so that none inherits another's pages.
 *
 * usage: memory burst | survivors | thread-exit | many-threads */
#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"
#include "size_class.h"
#include "tls_cache.h"

#include <pthread.h>
#include <time.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

enum { THREADS = 4, MANY_THREADS = 64, MOST_BLOCKS = 400000, POLL_LIMIT_S = 60 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static size_t resident_bytes(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) && sscanf(line, "Rss: %lu kB", &kib) != 1)
        ;
    fclose(file);
    CHECK(kib > 0);
    return kib * KIB;
}

/* What the threads' caches and the magazines hold, as telemetry tells any reader. */
static size_t cached_bytes(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < 2 * THREADS; i++) /* not all rows: to read them makes them resident */
        bytes += telemetry_get(&telemetry->threads[i].cached_bytes);
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        bytes += telemetry_get(&telemetry->classes[c].in_magazine) * size_classes[c].bytes;
    return bytes;
}

/* ---- bursts ------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

/* Every family of sizes: 16 B to 4 MiB, each doubling as likely as the next; few large ones do most. */
static size_t random_bytes(uint32_t *random)
{
    uint32_t doubling = next_random(random) % 18;
    return ((size_t)16 << doubling) + next_random(random) % ((size_t)16 << doubling);
}

struct share {
    size_t wanted_bytes;
    uint32_t random;
};

/* Allocates and touches its share, frees it in another order, and stays, idle, until the end. */
static void *make_burst(void *argument)
{
    struct share *share = argument;
    void **blocks = calloc(MOST_BLOCKS, sizeof *blocks); /* the C library's, not ours */
    unsigned count = 0;
    CHECK(blocks != NULL);
    for (size_t bytes = 0; bytes < share->wanted_bytes && count < MOST_BLOCKS; count++) {
        size_t size = random_bytes(&share->random);
        blocks[count] = memset(hak_malloc(size), 1, size);
        bytes += size;
    }
    pthread_barrier_wait(&barrier); /* all live at once */
    pthread_barrier_wait(&barrier); /* and measured */
    for (unsigned i = count; i > 1; i--) {
        unsigned other = next_random(&share->random) % i;
        void *block = blocks[other];
        blocks[other] = blocks[i - 1];
        hak_free(block);
    }
    hak_free(blocks[0]);
    free(blocks);
    pthread_barrier_wait(&barrier); /* all freed */
    pthread_barrier_wait(&barrier); /* over */
    return NULL;
}

static bool is_back(size_t base_bytes, size_t live_bytes)
{
    return resident_bytes() <= base_bytes + live_bytes + live_bytes / 10 + 8 * MIB + cached_bytes();
}

/* Until what is live, and what caches may hold, is all that is resident. */
static void wait_until_back(size_t base_bytes, size_t live_bytes)
{
    bool by_operations = getenv("HAKMEM_PURGE_BACKGROUND") == NULL; /* no thread purges: calls do */
    double freed_s = now_s();
    while (!is_back(base_bytes, live_bytes)) {
        if (now_s() - freed_s > POLL_LIMIT_S)
            fprintf(stderr, "resident %zu MiB, base %zu, cached %zu\n", resident_bytes() / MIB, base_bytes / MIB,
                    cached_bytes() / MIB);
        CHECK(now_s() - freed_s <= POLL_LIMIT_S);
        for (unsigned i = 0; by_operations && i < 10000; i++)
            hak_free(hak_malloc(100));
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    printf("back after %.2f s, caches hold %.1f MiB\n", now_s() - freed_s, (double)cached_bytes() / (double)MIB);
}

/* 64 MiB live on, 1 GiB comes and goes in threads that stay. */
static void check_burst(void)
{
    enum { LIVE_BLOCKS = 1024 };
    static void *live[LIVE_BLOCKS];
    pthread_t threads[THREADS];
    struct share shares[THREADS];
    hak_free(hak_malloc(1));
    size_t base_bytes = resident_bytes();
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (unsigned i = 0; i < LIVE_BLOCKS; i++)
        live[i] = memset(hak_malloc(64 * KIB), 2, 64 * KIB);
    for (unsigned i = 0; i < THREADS; i++) {
        shares[i] = (struct share){.wanted_bytes = 1024 * MIB / THREADS, .random = i + 1};
        CHECK(pthread_create(&threads[i], NULL, make_burst, &shares[i]) == 0);
    }
    pthread_barrier_wait(&barrier);
    size_t peak_bytes = resident_bytes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    CHECK(peak_bytes - base_bytes >= 1024 * MIB);
    wait_until_back(base_bytes, LIVE_BLOCKS * 64 * KIB);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (unsigned i = 0; i < LIVE_BLOCKS; i++)
        hak_free(live[i]);
}

/* ---- a few survivors in every slab ---------------------------------------------------------------- */

enum { SURVIVOR_BYTES = 1000, SURVIVORS_OF = 100, SURVIVOR_BLOCKS = 131072 };

static bool is_whole(const unsigned char *block, unsigned char content)
{
    for (unsigned i = 0; i < SURVIVOR_BYTES; i++)
        if (block[i] != content)
            return false;
    return true;
}

/* One block of a hundred survives, in nearly every slab: a page each is what they may keep. Twice, as blocks
 * are taken again from pages that were given back. */
static void check_survivors(void)
{
    static unsigned char *blocks[SURVIVOR_BLOCKS];
    hak_free(hak_malloc(1));
    size_t base_bytes = resident_bytes();
    for (unsigned round = 1; round <= 2; round++) {
        for (unsigned i = 0; i < SURVIVOR_BLOCKS; i++)
            if (i % SURVIVORS_OF || round == 1)
                blocks[i] = memset(hak_malloc(SURVIVOR_BYTES), (int)round, SURVIVOR_BYTES);
        CHECK(resident_bytes() - base_bytes >= SURVIVOR_BLOCKS * KIB);
        for (unsigned i = 0; i < SURVIVOR_BLOCKS; i++) {
            CHECK(is_whole(blocks[i], i % SURVIVORS_OF ? (unsigned char)round : 1));
            if (i % SURVIVORS_OF)
                hak_free(blocks[i]);
        }
        wait_until_back(base_bytes, SURVIVOR_BLOCKS / SURVIVORS_OF * PAGE_BYTES);
        CHECK(telemetry_get(&telemetry->global.busy_slabs) > SURVIVOR_BLOCKS / 64 / 4);
        CHECK(telemetry_get(&telemetry->global.committed_bytes) <= resident_bytes());
        CHECK(heap_is_valid());
    }
    for (unsigned i = 0; i < SURVIVOR_BLOCKS; i += SURVIVORS_OF) {
        CHECK(is_whole(blocks[i], 1));
        hak_free(blocks[i]);
    }
    hak_trim();
    CHECK(telemetry_get(&telemetry->global.busy_slabs) == 0 && telemetry_get(&telemetry->global.committed_bytes) == 0);
}

/* ---- threads ------------------------------------------------------------------------------------ */

/* Each class's cache as full as use makes it. */
static void *fill_caches(void *unused)
{
    enum { COUNT = 200 };
    void *blocks[COUNT];
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++) {
        for (unsigned i = 0; i < COUNT; i++)
            blocks[i] = memset(hak_malloc(size_classes[c].bytes), 1, size_classes[c].bytes);
        for (unsigned i = 0; i < COUNT; i++)
            hak_free(blocks[i]);
    }
    tls_cache_publish(tls_cache);
    CHECK(telemetry_get(&tls_cache->row->cached_bytes) > 0);
    return unused;
}

static void check_thread_exit(void)
{
    hak_free(hak_malloc(1));
    tls_cache_publish(tls_cache);
    uint64_t out = telemetry_get(&telemetry->global.handed_out_bytes);
    size_t base_bytes = resident_bytes();
    for (unsigned round = 0; round < 20; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, fill_caches, NULL) == 0 && pthread_join(thread, NULL) == 0);
        CHECK(telemetry_get(&telemetry->global.threads) == 1);
        CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == out);
    }
    hak_trim();
    CHECK(telemetry_get(&telemetry->global.busy_slabs) == 0 && cached_bytes() == 0);
    printf("%zu KiB more than before\n", (resident_bytes() - base_bytes) / KIB);
    CHECK(resident_bytes() <= base_bytes + 2 * MIB);
}

static void *touch_every_class(void *unused)
{
    void *blocks[SIZE_CLASS_COUNT];
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++) {
        blocks[c] = hak_malloc(size_classes[c].bytes);
        *(char *)blocks[c] = 1;
        hak_free(blocks[c]);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void check_many_threads(void)
{
    pthread_t threads[MANY_THREADS];
    hak_free(hak_malloc(1));
    CHECK(pthread_barrier_init(&barrier, NULL, MANY_THREADS + 1) == 0);
    for (unsigned i = 0; i < MANY_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, touch_every_class, NULL) == 0);
    pthread_barrier_wait(&barrier); /* their stacks are there */
    size_t base_bytes = resident_bytes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    size_t cost_bytes = resident_bytes() - base_bytes;
    printf("%zu KiB a thread\n", cost_bytes / MANY_THREADS / KIB);
    CHECK(cost_bytes < MANY_THREADS * 128 * KIB);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < MANY_THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argument_count, char **arguments)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* also what an abort follows */
    const char *behaviour = argument_count == 2 ? arguments[1] : "";
    if (strcmp(behaviour, "burst") == 0)
        check_burst();
    else if (strcmp(behaviour, "survivors") == 0)
        check_survivors();
    else if (strcmp(behaviour, "thread-exit") == 0)
        check_thread_exit();
    else if (strcmp(behaviour, "many-threads") == 0)
        check_many_threads();
    else
        return fprintf(stderr, "memory: no behaviour '%s'\n", behaviour), 2;
    CHECK(heap_is_valid());
    printf("memory: ok\n");
    return 0;
}
