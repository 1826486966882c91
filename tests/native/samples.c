/* samples.c: estimates from sampled allocations are unbiased and know their error. Samples end with their blocks, whatever
 * call frees or moves them, stay within the memory that they say, and survive being switched at random, forks and
 * threads. With fixed seeds. */
#include "component_fixture.h"
#include "fast_path.h"
#include "hak_samples.h"
#include "heap_blocks.h"
#include "hakmem.h"
#include "processor.h"
#include "sampler.h"
#include "samples.h"
#include "tls_cache.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INTERVAL = 6 * 1024, MOST_BLOCKS = 8000 };
static void *blocks[MOST_BLOCKS];
static uint32_t random_state = 7;

static void set_interval(double bytes)
{
    set_tunable(TUNABLE_sample_interval_bytes, bytes);
    hak_free(hak_malloc(8));
    sampler_switch(tls_cache, false);
}

static void begin_with_seed(uint64_t seed)
{
    set_interval(0);
    tls_cache->sample_random = seed << 32 | 1;
    set_interval(INTERVAL);
}

/* ---- the table as another process sees it --------------------------------------------------------- */

static const char *table;
static size_t table_bytes;

static const struct hak_samples *samples_head(void)
{
    const struct hak_header *header = (const void *)table;
    return (const void *)(table + header->section[HAK_SECTION_DATA].offset);
}

static const struct hak_sample *sample_at(uint32_t slot)
{
    return (const void *)((const char *)samples_head() + HAK_SAMPLES_HEAD_BYTES + (size_t)slot * HAK_SAMPLE_SLOT_BYTES);
}

/* The table lies beside the control block, under the same name but for the kind. */
static void map_table(void)
{
    char path[256];
    struct stat status;
    snprintf(path, sizeof path, "%s", hak_control_path());
    strcpy(strrchr(path, '.') + 1, HAK_SAMPLES_KIND);
    int file = open(path, O_RDONLY);
    CHECK(file >= 0 && fstat(file, &status) == 0);
    table_bytes = (size_t)status.st_size;
    table = mmap(NULL, table_bytes, PROT_READ, MAP_SHARED, file, 0);
    CHECK(table != MAP_FAILED);
    close(file);
}

static const struct hak_sample *find_sample(const void *block)
{
    for (uint32_t i = 0; i < samples_head()->used; i++)
        if (sample_at(i)->address == (uintptr_t)block && sample_at(i)->freed_ns == 0)
            return sample_at(i);
    return NULL;
}

struct estimate {
    double bytes, bytes_variance, blocks, blocks_variance;
};

/* What the live samples say about blocks of at least so many bytes. */
static struct estimate estimate(size_t least_bytes)
{
    struct estimate sum = {0};
    for (uint32_t i = 0; i < samples_head()->used; i++) {
        const struct hak_sample *sample = sample_at(i);
        if (sample->freed_ns || sample->requested_bytes < least_bytes)
            continue;
        double bytes = (double)sample->block_bytes, p = 1 - exp(-bytes / (double)sample->interval_bytes);
        sum.bytes += bytes / p;
        sum.bytes_variance += bytes * bytes * (1 - p) / (p * p);
        sum.blocks += 1 / p;
        sum.blocks_variance += (1 - p) / (p * p);
    }
    return sum;
}

/* ---- the first sample ----------------------------------------------------------------------------- */

enum { SMALLEST_STACK_BYTES = 16384, USED_STACK_BYTES = 6500 };

static void *sample_deep_down(void *unused)
{
    volatile char used[USED_STACK_BYTES];
    for (size_t i = 0; i < sizeof used; i++)
        used[i] = 1;
    for (unsigned i = 0; i < 100; i++)
        hak_free(hak_malloc(100));
    return used[0] ? unused : NULL;
}

/* It makes the table, whichever thread takes it. */
static void test_smallest_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    set_tunable(TUNABLE_sample_interval_bytes, 1);
    CHECK(pthread_attr_init(&attributes) == 0);
    size_t bytes = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    bytes = bytes > SMALLEST_STACK_BYTES ? bytes : SMALLEST_STACK_BYTES;
    CHECK(pthread_attr_setstacksize(&attributes, bytes) == 0);
    CHECK(pthread_create(&thread, &attributes, sample_deep_down, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(telemetry_get(&telemetry->global.samples_taken) > 0 && telemetry_get(&telemetry->global.samples_live) == 0);
}

/* ---- estimates ------------------------------------------------------------------------------------ */

static size_t mixed_bytes(void)
{
    uint32_t number = next_random(&random_state) % 1000;
    return number < 600 ? 1 + number % 200 : number < 950 ? 200 + number * 3 : number < 995 ? number * 30 : number * 100;
}

/* Blocks of all kinds come and go; in the end some are left. */
static void work(void)
{
    for (unsigned i = 0; i < 2 * MOST_BLOCKS; i++) {
        unsigned place = next_random(&random_state) % MOST_BLOCKS;
        hak_free(blocks[place]);
        blocks[place] = NULL;
        if (next_random(&random_state) % 4)
            blocks[place] = hak_malloc(mixed_bytes());
    }
}

static void give_all(void)
{
    for (unsigned i = 0; i < MOST_BLOCKS; i++) {
        hak_free(blocks[i]);
        blocks[i] = NULL;
    }
}

/* What the place of a block holds: malloc_usable_size tells less of a block above 32 KiB. */
static double place_bytes(const void *block)
{
    return block ? (double)find_block(block).usable_bytes : 0;
}

static void test_estimates_are_unbiased(void)
{
    enum { SEEDS = 200 };
    unsigned bytes_right = 0, blocks_right = 0;
    double bytes_off = 0, blocks_off = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        double bytes = 0, count = 0;
        begin_with_seed(seed);
        random_state = (uint32_t)seed * 77;
        work();
        for (unsigned i = 0; i < MOST_BLOCKS; i++) {
            bytes += place_bytes(blocks[i]);
            count += blocks[i] != NULL;
        }
        if (!table)
            map_table();
        struct estimate sum = estimate(0);
        bytes_right += fabs(sum.bytes - bytes) <= 1.96 * sqrt(sum.bytes_variance);
        blocks_right += fabs(sum.blocks - count) <= 1.96 * sqrt(sum.blocks_variance);
        bytes_off += sum.bytes / bytes - 1;
        blocks_off += sum.blocks / count - 1;
        give_all();
        struct estimate none = estimate(0);
        CHECK(none.blocks == 0);
    }
    if (getenv("TELL"))
        fprintf(stderr, "of %u: bytes %u, blocks %u within 1.96 standard errors; mean error %.3f %%, %.3f %%\n", SEEDS, bytes_right,
                blocks_right, bytes_off / SEEDS * 100, blocks_off / SEEDS * 100);
    CHECK(bytes_right >= SEEDS * 9 / 10 && blocks_right >= SEEDS * 9 / 10);
    CHECK(fabs(bytes_off / SEEDS) < 0.01 && fabs(blocks_off / SEEDS) < 0.025);
}

/* ---- what a sample holds, and what ends it ---------------------------------------------------------- */

/* Sizes of all components: a bin, a mid ring, the L2.5 pool, a block of whole frames. */
static const size_t sizes[] = {8, 24, 100, 1024, 5000, 32768, 40000, 1000000, 3000000};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void test_every_call(void)
{
    set_interval(1); /* every allocation */
    for (unsigned i = 0; i < SIZES; i++) {
        char *block = hak_malloc(sizes[i]);
        const struct hak_sample *sample = find_sample(block);
        CHECK(sample && sample->requested_bytes == sizes[i] && sample->block_bytes >= hak_malloc_usable_size(block));
        CHECK(sample->thread == tls_cache->actor.thread_id && sample->born_ns && sample->interval_bytes == 1);
        CHECK(sample->stack_bytes > 512 && sample->registers[PROCESSOR_STACK_REGISTER]);
        memset(block, 1, sizes[i]);
        block = hak_realloc(block, sizes[i]); /* in place */
        CHECK(find_sample(block) == sample);
        char *moved = hak_realloc(block, 4 * sizes[i] + 100);
        CHECK(moved && moved[sizes[i] - 1] == 1 && (moved == block || !find_sample(block)));
        sample = find_sample(moved);
        CHECK(sample && sample->requested_bytes == 4 * sizes[i] + 100);
        moved = hak_realloc(moved, 1);
        CHECK(find_sample(moved));
        hak_free(moved);
        CHECK(!find_sample(moved));
        block = hak_calloc(1, sizes[i]);
        CHECK(find_sample(block) && block[0] == 0 && block[sizes[i] - 1] == 0);
        hak_free(block);
        CHECK(!find_sample(block));
        block = hak_memalign(256, sizes[i]);
        CHECK((uintptr_t)block % 256 == 0 && find_sample(block));
        hak_free_sized(block, sizes[i]);
        CHECK(!find_sample(block));
        block = fast_memalign(64, sizes[i], NULL);
        CHECK((uintptr_t)block % 64 == 0 && find_sample(block));
        hak_free(block);
        CHECK(!find_sample(block));
    }
    set_interval(0);
    void *block = hak_malloc(100);
    CHECK(!find_sample(block));
    hak_free(block);
    CHECK(heap_is_valid());
}

/* The program still has the block, and so it has the sample. */
static void test_a_failed_realloc(void)
{
    set_interval(1);
    for (unsigned i = 0; i < SIZES; i++) {
        void *block = hak_malloc(sizes[i]);
        const struct hak_sample *sample = find_sample(block);
        CHECK(sample && hak_realloc(block, PTRDIFF_MAX / 2) == NULL && find_sample(block) == sample);
        hak_free(block);
        CHECK(!find_sample(block));
    }
}

/* A table that is full loses samples, counts them, and hands ordinary blocks out. */
static void test_a_full_table(void)
{
    set_interval(1);
    uint64_t lost = telemetry_get(&telemetry->global.samples_lost), metadata = telemetry_get(&telemetry->global.metadata_bytes);
    uint64_t slots = samples_head()->used;
    for (unsigned i = 0; i < HAK_SAMPLE_SLOTS + 100; i++)
        CHECK((blocks[i] = hak_malloc(100)) != NULL);
    CHECK(telemetry_get(&telemetry->global.samples_lost) - lost == 100 && samples_head()->used == HAK_SAMPLE_SLOTS);
    CHECK(telemetry_get(&telemetry->global.samples_live) == HAK_SAMPLE_SLOTS);
    uint64_t added = telemetry_get(&telemetry->global.metadata_bytes) - metadata;
    CHECK(added >= (HAK_SAMPLE_SLOTS - slots) * HAK_SAMPLE_SLOT_BYTES && added <= HAK_SAMPLES_BYTES);
    give_all();
    CHECK(telemetry_get(&telemetry->global.samples_live) == 0 && heap_is_valid());
    void *block = hak_malloc(100);
    CHECK(find_sample(block));
    hak_free(block);
}

enum { DEEP = 80 << 10 };

/* Samples a block at the end of so many bytes of stack. */
static NOINLINE void *sample_below(size_t bytes)
{
    volatile char frame[1024];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)(bytes / sizeof frame);
    void *block = bytes > sizeof frame ? sample_below(bytes - sizeof frame) : hak_malloc(100);
    frame[0] = 0;
    return block;
}

static const unsigned char *piece_of(const struct hak_sample *sample, uint32_t number)
{
    CHECK(number < HAK_SAMPLE_MOST_PIECES && sample->pieces[number] < HAK_SAMPLE_PIECES);
    return (const unsigned char *)samples_head() + HAK_SAMPLES_PIECES_OFFSET +
           (size_t)sample->pieces[number] * HAK_SAMPLE_PIECE_BYTES;
}

static uint64_t count_sample_memory(void)
{
    uint64_t pieces = 0;
    for (uint32_t i = 0; i < samples_head()->used; i++)
        pieces += (sample_at(i)->stack_bytes + HAK_SAMPLE_PIECE_BYTES - 1) / HAK_SAMPLE_PIECE_BYTES;
    return pieces;
}

/* A stack is copied up to a bound. If many are long, the bound sinks, but not to nothing, and it rises again. */
static void test_deep_stacks(void)
{
    set_interval(1);
    void *block = sample_below(20000);
    const struct hak_sample *sample = find_sample(block);
    CHECK(sample && sample->stack_bytes > 20000 && sample->stack_bytes < HAK_SAMPLE_STACK_BYTES);
    for (uint32_t i = 0; i < sample->stack_bytes / HAK_SAMPLE_PIECE_BYTES; i++) {
        uintptr_t start = (uintptr_t)sample->registers[PROCESSOR_STACK_REGISTER] + i * HAK_SAMPLE_PIECE_BYTES;
        if (i > 12) /* the callers of this function: they are as they were */
            CHECK(memcmp(piece_of(sample, i) + 1024, (const void *)(start + 1024), 64) == 0);
    }
    hak_free(block);
    for (unsigned i = 0; i < HAK_SAMPLE_SLOTS; i++) {
        blocks[i] = sample_below(DEEP);
        sample = find_sample(blocks[i]);
        CHECK(sample && sample->stack_bytes >= 3 * HAK_SAMPLE_PIECE_BYTES && sample->stack_bytes <= HAK_SAMPLE_STACK_BYTES);
        CHECK(i >= 100 || sample->stack_bytes == HAK_SAMPLE_STACK_BYTES);
    }
    CHECK(count_sample_memory() <= HAK_SAMPLE_PIECES && heap_is_valid());
    give_all();
    for (unsigned i = 0; i < HAK_SAMPLE_SLOTS; i++)
        hak_free(hak_malloc(100));
    block = sample_below(1 << 20);
    CHECK(find_sample(block)->stack_bytes == HAK_SAMPLE_STACK_BYTES && heap_is_valid());
    hak_free(block);
}

static void *allocate_and_free(void *others)
{
    for (unsigned i = 0; i < 3000; i++) {
        hak_free(((void **)others)[i]);
        ((void **)others)[i] = hak_malloc(50);
    }
    return NULL;
}

/* Blocks that another thread frees, and those of a thread that has ended. */
static void test_threads(void)
{
    set_interval(1000);
    for (unsigned i = 0; i < 3000; i++)
        blocks[i] = hak_malloc(50);
    CHECK(estimate(0).blocks > 2000);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_and_free, blocks) == 0 && pthread_join(thread, NULL) == 0);
    double others = estimate(0).blocks;
    CHECK(others > 2000 && others < 4000);
    give_all();
    CHECK(estimate(0).blocks == 0 && telemetry_get(&telemetry->global.samples_live) == 0);
}

static void test_switched_at_random(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        set_interval(next_random(&random_state) % 3 ? 1 << next_random(&random_state) % 16 : 0);
        if (i % 50 == 0)
            set_tunable(TUNABLE_ghost_enable, next_random(&random_state) / 8 % 2);
        for (unsigned j = next_random(&random_state) % 100; j > 0; j--) {
            unsigned place = next_random(&random_state) % 1000;
            hak_free(blocks[place]);
            CHECK((blocks[place] = hak_malloc(mixed_bytes())) != NULL);
        }
        if (i % 100 == 0)
            CHECK(heap_is_valid());
        if (i % 700 == 0)
            hak_trim();
    }
    give_all();
    CHECK(telemetry_get(&telemetry->global.samples_live) == 0 && heap_is_valid());
}

/* The child begins with no samples; the parent's stay as they are. */
static void test_a_child_has_its_own(void)
{
    set_interval(1);
    void *inherited = hak_malloc(200), *large = hak_malloc(100000);
    const struct hak_sample *sample = find_sample(inherited);
    CHECK(sample);
    pid_t child = fork();
    if (child == 0) {
        void *own = hak_malloc(200);
        table = NULL;
        map_table();
        CHECK(telemetry_get(&telemetry->global.samples_live) == 1 && samples_head()->used == 1 && find_sample(own));
        hak_free(inherited);
        hak_free(large);
        hak_free(own);
        CHECK(telemetry_get(&telemetry->global.samples_live) == 0 && heap_is_valid());
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(find_sample(inherited) == sample && find_sample(large));
    child = fork();
    if (child == 0) { /* threads go on for a moment after the process's end has begun */
        samples_stop();
        void *late = hak_malloc(200);
        CHECK(late && telemetry_get(&telemetry->global.samples_taken) == 0 && heap_is_valid());
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    hak_free(inherited);
    hak_free(large);
    CHECK(telemetry_get(&telemetry->global.samples_live) == 0);
}

int main(void)
{
    CHECK(lifecycle_start());
    test_smallest_stack();
    test_estimates_are_unbiased();
    test_every_call();
    test_a_failed_realloc();
    test_deep_stacks();
    test_a_full_table();
    test_threads();
    test_switched_at_random();
    test_a_child_has_its_own();
    puts("samples: ok");
    return 0;
}
