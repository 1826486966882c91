/* idle.c: a burst is freed, or made small, and the program then makes no call: what stays resident, and how many
 * system calls that took. Each case in a child of its own.
 *
 * usage: idle freed | threads | shrunk | halves | storm | shift */
#include "check.h"
#include "component_fixture.h"
#include "hakmem.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define BURST_BYTES (200 * MIB)
/* What a burst may leave: 8 MiB of big blocks or of slabs, 2 MiB of the L2.5 pool, the caches of a class, and what
 * describes 200 MiB of blocks. */
#define MOST_LEFT_BYTES (20 * MIB)
/* After a storm also what its rounds have earned, which depends on how the threads took turns: up to 51 MiB were seen. */
#define MOST_LEFT_OF_STORM_BYTES (64 * MIB)

enum { MOST_BLOCKS = 2200000 };
static char *blocks[MOST_BLOCKS];
static unsigned count;

static size_t resident_bytes(void)
{
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu %lu", &size, &pages) == 2);
    fclose(file);
    return pages * PAGE_BYTES;
}

enum how { BY_MALLOC, BY_CALLOC, BY_MEMALIGN, HOW_COUNT };

static char *allocate(enum how how, size_t bytes)
{
    return how == BY_MALLOC ? hak_malloc(bytes) : how == BY_CALLOC ? hak_calloc(1, bytes) : hak_memalign(4096, bytes);
}

/* bytes 0: sizes of every kind. */
static void fill(enum how how, size_t bytes, size_t total)
{
    uint32_t random = 1;
    count = 0;
    for (size_t done = 0; done < total && count < MOST_BLOCKS; count++) {
        size_t doubling = (size_t)64 << next_random(&random) % 16;
        size_t size = bytes ? bytes : doubling + next_random(&random) % doubling;
        blocks[count] = allocate(how, size);
        CHECK(blocks[count]);
        memset(blocks[count], 1, size);
        done += size;
    }
}

static void *free_all(void *unused)
{
    for (unsigned i = 0; i < count; i++)
        hak_free(blocks[i]);
    return unused;
}

static uint64_t system_calls(void)
{
    return telemetry_get(&telemetry->global.madvise_calls) + telemetry_get(&telemetry->global.mapping_calls);
}

static size_t base_bytes;
static uint64_t calls;

static void begin(void)
{
    hak_free(hak_malloc(1));
    memset(blocks, 0, sizeof blocks); /* resident from here on */
    base_bytes = resident_bytes();
}

static void check_burst_is_there(void)
{
    CHECK(resident_bytes() >= base_bytes + BURST_BYTES * 9 / 10);
    calls = system_calls();
}

/* A call a block, where blocks are large, and else a few for each MiB: two for a huge page that is split, too. */
static void check_it_is_back(size_t most_bytes)
{
    size_t left = resident_bytes() - base_bytes;
    if (left > most_bytes)
        fprintf(stderr, "%.1f MiB left\n", (double)left / (double)MIB);
    CHECK(left <= most_bytes);
    CHECK(system_calls() - calls <= 3 * BURST_BYTES / MIB + 8);
}

static void in_child(void (*run)(enum how, size_t), enum how how, size_t bytes)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        begin();
        run(how, bytes);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (status)
        fprintf(stderr, "blocks of %zu bytes, way %d\n", bytes, (int)how);
    CHECK(status == 0);
}

static void free_here(enum how how, size_t bytes)
{
    fill(how, bytes, BURST_BYTES);
    check_burst_is_there();
    free_all(NULL);
    check_it_is_back(bytes ? MOST_LEFT_BYTES : 2 * MOST_LEFT_BYTES);
}

static void free_in_thread(enum how how, size_t bytes)
{
    pthread_t thread;
    fill(how, bytes, BURST_BYTES);
    check_burst_is_there();
    CHECK(pthread_create(&thread, NULL, free_all, NULL) == 0 && pthread_join(thread, NULL) == 0);
    check_it_is_back(bytes ? MOST_LEFT_BYTES : 2 * MOST_LEFT_BYTES);
}

/* The second half of the burst goes long after the first. */
static void free_in_halves(enum how how, size_t bytes)
{
    fill(how, bytes, BURST_BYTES);
    check_burst_is_there();
    unsigned all = count;
    count /= 2;
    free_all(NULL);
    usleep(50000);
    memmove(blocks, blocks + all / 2, (all - all / 2) * sizeof *blocks);
    count = all - all / 2;
    free_all(NULL);
    check_it_is_back(MOST_LEFT_BYTES);
}

/* realloc to `bytes`, of blocks of every size above that. */
static void shrink(enum how how, size_t bytes)
{
    static const size_t from[] = {900000, 3000000, 100 * MIB};
    for (unsigned k = 0; k < sizeof from / sizeof *from; k++) {
        size_t kept = bytes ? bytes : from[k] * 6 / 10; /* not even half of it is left over */
        if (kept >= from[k])
            continue;
        fill(how, from[k], BURST_BYTES);
        size_t live = count * (kept < 65536 ? 65536 : kept);
        check_burst_is_there();
        if (from[k] - kept >= MIB || kept * 4 < from[k]) {
            for (unsigned i = 0; i < count; i++) {
                blocks[i] = hak_realloc(blocks[i], kept);
                CHECK(blocks[i] && blocks[i][kept - 1] == 1);
            }
            check_it_is_back(live + MOST_LEFT_BYTES);
        }
        free_all(NULL);
        hak_trim();
    }
}

/* ---- many short threads --------------------------------------------------------------------------- */

enum { STORM_THREADS = 64, STORM_BLOCKS = 60, STORM_ROUNDS = 12 };
static pthread_barrier_t all_live, measured;

static size_t storm_bytes(unsigned i)
{
    return (size_t)(i + 1) * (i + 1) * 8; /* some of most classes */
}

static void *live_briefly(void *unused)
{
    char *own[STORM_BLOCKS];
    for (unsigned i = 0; i < STORM_BLOCKS; i++)
        own[i] = memset(hak_malloc(storm_bytes(i)), 1, storm_bytes(i));
    pthread_barrier_wait(&all_live);
    pthread_barrier_wait(&measured);
    for (unsigned i = 0; i < STORM_BLOCKS; i++)
        hak_free(own[i]);
    return unused;
}

static size_t resident_in_a_round(void)
{
    pthread_t threads[STORM_THREADS];
    for (unsigned i = 0; i < STORM_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, live_briefly, NULL) == 0);
    pthread_barrier_wait(&all_live);
    size_t bytes = resident_bytes() - base_bytes;
    pthread_barrier_wait(&measured);
    for (unsigned i = 0; i < STORM_THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return bytes;
}

/* Round after round of threads: what is resident does not grow, and goes when they have ended. */
static void run_storm(void)
{
    size_t live = 0;
    for (unsigned i = 0; i < STORM_BLOCKS; i++)
        live += STORM_THREADS * storm_bytes(i);
    begin();
    CHECK(pthread_barrier_init(&all_live, NULL, STORM_THREADS + 1) == 0);
    CHECK(pthread_barrier_init(&measured, NULL, STORM_THREADS + 1) == 0);
    size_t first = resident_in_a_round();
    CHECK(first >= live && first <= live + live / 2);
    for (unsigned round = 2; round <= STORM_ROUNDS; round++) {
        size_t bytes = resident_in_a_round();
        if (bytes > first + live / 2)
            fprintf(stderr, "round %u: %.1f MiB, the first: %.1f MiB\n", round, (double)bytes / (double)MIB,
                    (double)first / (double)MIB);
        CHECK(bytes <= first + live / 2); /* how the threads take turns makes a quarter */
    }
    size_t left = resident_bytes() - base_bytes;
    if (left > MOST_LEFT_OF_STORM_BYTES)
        fprintf(stderr, "%.1f MiB left\n", (double)left / (double)MIB);
    CHECK(left <= MOST_LEFT_OF_STORM_BYTES);
}

/* The sizes that a program asks for change. Every 16th block of the former size lives on, and each keeps a slab in use. The
 * pages between them go back while the new blocks are allocated, not only after ss.purge_delay_ms. */
static void shift_sizes(void)
{
    start_on_operations();
    set_tunable(TUNABLE_ss_purge_delay_ms, 60000);
    begin();
    fill(BY_MALLOC, 3000, BURST_BYTES);
    check_burst_is_there();
    for (unsigned i = 0; i < count; i++)
        if (i % 16)
            hak_free(blocks[i]);
    fill(BY_MALLOC, 6000, BURST_BYTES);
    size_t resident = resident_bytes() - base_bytes;
    if (resident > BURST_BYTES * 3 / 2)
        fprintf(stderr, "%.1f MiB\n", (double)resident / (double)MIB);
    CHECK(resident <= BURST_BYTES * 3 / 2);
}

static const size_t sizes[] = {100, 1000, 30000, 200000, 900000, 3000000, 100 * MIB};

static void run_all(void (*run)(enum how, size_t))
{
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        in_child(run, (enum how)(i % HOW_COUNT), sizes[i]);
}

int main(int argc, char **argv)
{
    const char *behaviour = argc > 1 ? argv[1] : "";
    if (strcmp(behaviour, "freed") == 0) {
        run_all(free_here);
        in_child(free_here, BY_CALLOC, 900000);
        in_child(free_here, BY_MEMALIGN, 900000);
        in_child(free_here, BY_MALLOC, 0);
    } else if (strcmp(behaviour, "threads") == 0) {
        run_all(free_in_thread);
        in_child(free_in_thread, BY_MALLOC, 0);
    } else if (strcmp(behaviour, "shrunk") == 0) {
        static const size_t to[] = {0, MIB, 100000, 33000, 100};
        for (unsigned i = 0; i < sizeof to / sizeof *to; i++)
            in_child(shrink, BY_MALLOC, to[i]);
    } else if (strcmp(behaviour, "storm") == 0) {
        run_storm();
    } else if (strcmp(behaviour, "shift") == 0) {
        shift_sizes();
    } else {
        CHECK(strcmp(behaviour, "halves") == 0);
        run_all(free_in_halves);
    }
    puts("idle: ok");
    return 0;
}
