/* stress.c: the allocator under random work from threads that come and go, with its tunables changing
 * all the while. Blocks of every size family carry a pattern that is checked when they change hands; at
 * the end nothing may be left over. Built with a sanitizer by `make stress`.
 *
 * usage: stress [--seconds S | --operations N] [--threads T] [--seed N] */
#include "hak_reader.h"
#include "hakmem.h"
#include "heap.h"
#include "telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "%s:%d: not so: %s (seed %llu)\n", __FILE__, __LINE__, #condition,       \
                    (unsigned long long)seed);                                                       \
            abort();                                                                                 \
        }                                                                                            \
    } while (0)

enum { SLOTS = 768, MAX_THREADS = 64, MAX_TUNABLES = 128, LIFE_OPERATIONS = 4000, EDGE_BYTES = 64, SAMPLES = 16 };
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static uint64_t seed = 1;
static uint64_t operations_wanted; /* 0: by time */
static double seconds_wanted = 25;
static int thread_count = 4;

static _Atomic uint64_t operations_done, refusals, sets_done, sets_refused;
static atomic_bool is_over;

/* A block and what is known of it. Whoever holds the mutex may do anything with it. */
struct slot {
    pthread_mutex_t mutex;
    unsigned char *block;
    size_t bytes, alignment;
    uint64_t id;
};
static struct slot slots[SLOTS];

static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t bits = *state;
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- content ------------------------------------------------------------------------------------ */

/* Places of a block that carry its pattern: both ends, all of a small block, some inside a large one.
 * Few enough that large blocks stay mostly untouched and the memory of the machine suffices. */
static size_t place(size_t bytes, size_t index, size_t *count)
{
    if (bytes <= 4 * EDGE_BYTES) {
        *count = bytes;
        return index;
    }
    *count = 2 * EDGE_BYTES + SAMPLES;
    if (index < EDGE_BYTES)
        return index;
    if (index < 2 * EDGE_BYTES)
        return bytes - 1 - (index - EDGE_BYTES);
    return EDGE_BYTES + (bytes - 2 * EDGE_BYTES) / (SAMPLES + 1) * (index - 2 * EDGE_BYTES + 1);
}

static unsigned char pattern(uint64_t id, size_t offset)
{
    return (unsigned char)((id * UINT64_C(0x9e3779b97f4a7c15) + offset * 131) >> 24);
}

static void write_pattern(const struct slot *slot)
{
    size_t count = 1;
    for (size_t i = 0; slot->bytes && i < count; i++) {
        size_t offset = place(slot->bytes, i, &count);
        slot->block[offset] = pattern(slot->id, offset);
    }
}

/* `kept`: only places below this are known. */
static void check_pattern(const struct slot *slot, size_t kept)
{
    size_t count = 1;
    for (size_t i = 0; slot->bytes && i < count; i++) {
        size_t offset = place(slot->bytes, i, &count);
        if (offset < kept)
            CHECK(slot->block[offset] == pattern(slot->id, offset));
    }
}

static void check_zero(const unsigned char *block, size_t bytes)
{
    size_t step = bytes <= 4 * KIB ? 1 : bytes / 1024;
    for (size_t i = 0; i < bytes; i += step)
        CHECK(block[i] == 0);
    CHECK(bytes == 0 || block[bytes - 1] == 0);
}

/* ---- operations --------------------------------------------------------------------------------- */

static size_t random_bytes(uint64_t *random)
{
    uint64_t bits = next_random(random);
    uint64_t inside = bits >> 16;
    switch (bits % 32) {
    case 0:
        return 0;
    case 1 ... 14:
        return 1 + inside % 256; /* tiny */
    case 15 ... 20:
        return 1 + inside % KIB;
    case 21 ... 25:
        return KIB + inside % (31 * KIB); /* mid */
    case 26 ... 28:
        return 32 * KIB + inside % (MIB - 32 * KIB); /* L2.5 */
    case 29 ... 30:
        return MIB + inside % (4 * MIB); /* big */
    default:
        return (MIB / 2) << inside % 5; /* the bounds of big classes */
    }
}

static void fill_slot(struct slot *slot, uint64_t *random)
{
    size_t bytes = random_bytes(random), alignment = 1;
    uint64_t bits = next_random(random);
    void *block = NULL;
    switch (bits % 16) {
    case 0 ... 7:
        block = hak_malloc(bytes);
        break;
    case 8 ... 11:
        block = hak_calloc(1 + bits / 16 % 4, bytes / 4);
        bytes = (1 + bits / 16 % 4) * (bytes / 4);
        if (block)
            check_zero(block, bytes);
        break;
    case 12:
        alignment = (size_t)8 << (bits >> 8) % 16; /* to 256 KiB */
        if (hak_posix_memalign(&block, alignment, bytes) != 0)
            block = NULL;
        break;
    case 13:
        alignment = (size_t)1 << (bits >> 8) % 24; /* to 8 MiB */
        block = hak_memalign(alignment, bytes);
        break;
    case 14:
        alignment = (size_t)16 << (bits >> 8) % 10;
        block = hak_aligned_alloc(alignment, bytes);
        break;
    default:
        alignment = 4096;
        block = bits >> 8 & 1 ? hak_valloc(bytes) : hak_pvalloc(bytes);
        break;
    }
    slot->block = block;
    if (!block) {
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
        return;
    }
    size_t usable = hak_malloc_usable_size(block);
    CHECK(((uintptr_t)block & (alignment - 1)) == 0 && usable >= bytes);
    CHECK(((uintptr_t)block & (bytes >= 16 ? 15 : 7)) == 0);
    slot->bytes = bits >> 40 & 1 ? usable : bytes; /* all that may be used may be written */
    slot->alignment = alignment;
    slot->id = next_random(random);
    write_pattern(slot);
}

static void resize_slot(struct slot *slot, uint64_t *random)
{
    size_t former = slot->bytes, bytes = random_bytes(random);
    if (bytes == 0)
        bytes = 1;
    if (next_random(random) % 4 == 0 && former)
        bytes = former + former / 2 + 1; /* as a growing array does */
    if (bytes > 16 * MIB)
        bytes = 16 * MIB;
    void *block = next_random(random) % 2 ? hak_realloc(slot->block, bytes) : hak_reallocarray(slot->block, 1, bytes);
    if (!block) { /* what it was is still there */
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
        check_pattern(slot, SIZE_MAX);
        return;
    }
    slot->block = block;
    check_pattern(slot, bytes < former ? bytes : former);
    slot->bytes = bytes;
    write_pattern(slot);
}

static void empty_slot(struct slot *slot)
{
    check_pattern(slot, SIZE_MAX);
    int before = errno = (int)(slot->id % 100);
    hak_free(slot->block);
    CHECK(errno == before);
    slot->block = NULL;
}

static void use_slot(struct slot *slot, uint64_t *random)
{
    if (pthread_mutex_trylock(&slot->mutex) != 0)
        return;
    if (!slot->block) {
        fill_slot(slot, random);
    } else if (next_random(random) % 4 == 0) {
        check_pattern(slot, SIZE_MAX);
        resize_slot(slot, random);
    } else {
        empty_slot(slot);
    }
    CHECK(pthread_mutex_unlock(&slot->mutex) == 0);
}

/* Blocks of one thread's own, many of one size: what makes caches overflow and slabs come and go. */
static void do_burst(uint64_t *random)
{
    void *blocks[256];
    size_t bytes = random_bytes(random) % (16 * KIB) + 1, count = next_random(random) % 256;
    for (size_t i = 0; i < count; i++) {
        blocks[i] = hak_malloc(bytes);
        if (blocks[i])
            memset(blocks[i], (int)i, bytes < 64 ? bytes : 64);
    }
    for (size_t i = 0; i < count; i++) {
        CHECK(!blocks[i] || *(unsigned char *)blocks[i] == (unsigned char)i);
        hak_free(blocks[i]);
    }
    atomic_fetch_add_explicit(&operations_done, count, memory_order_relaxed);
}

/* ---- threads ------------------------------------------------------------------------------------ */

/* One thread's life; another is born in its place. */
static void *live(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    for (unsigned i = 0; i < LIFE_OPERATIONS && !atomic_load_explicit(&is_over, memory_order_relaxed); i++) {
        if (next_random(&random) % 128 == 0)
            do_burst(&random);
        use_slot(&slots[next_random(&random) % SLOTS], &random);
        uint64_t done = atomic_fetch_add_explicit(&operations_done, 1, memory_order_relaxed) + 1;
        if (operations_wanted && done >= operations_wanted)
            atomic_store_explicit(&is_over, true, memory_order_relaxed);
        if (next_random(&random) % 4096 == 0)
            CHECK(heap_is_valid());
        if (next_random(&random) % 4096 == 0)
            hak_trim();
    }
    return NULL;
}

static void *keep_a_thread_alive(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        uint64_t life = next_random(&random);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, live, &life) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

/* Actions are asked for like settings. */
static double shipped_value(const struct hak_tunable *tunable)
{
    return tunable->type == HAK_TYPE_ACTION ? 1 : tunable->default_value;
}

static double random_value(const struct hak_tunable *tunable, uint64_t *random)
{
    if (tunable->type == HAK_TYPE_ACTION)
        return shipped_value(tunable);
    uint64_t bits = next_random(random);
    double share = (double)(bits >> 11) / (double)(UINT64_C(1) << 53);
    if (bits % 8 == 0)
        return tunable->minimum;
    if (bits % 8 == 1)
        return tunable->maximum;
    double span = tunable->maximum - tunable->minimum;
    if (tunable->scale == HAK_SCALE_LOG)
        share *= share * share * share * share; /* small values more often */
    double value = tunable->minimum + span * share;
    return tunable->type == HAK_TYPE_REAL ? value : (double)(int64_t)value;
}

/* Not to be changed at random: a check must abort here, and the log would be all there is to see. */
static bool is_left_alone(const struct hak_tunable *tunable)
{
    return tunable->effect == HAK_EFFECT_START || strcmp(tunable->name, "check.action") == 0 ||
           strncmp(tunable->name, "log.", 4) == 0;
}

static void check_code(int code, const char *error)
{
    if (code < 0 && code != HAK_ERROR_CONSTRAINT) {
        fprintf(stderr, "set refused: %s\n", error);
        abort();
    }
    atomic_fetch_add_explicit(code < 0 ? &sets_refused : &sets_done, 1, memory_order_relaxed);
}

/* Changes tunables within their ranges, several at once, like an impatient user of the panel. */
static void *change_tunables(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    static struct hak_tunable tunables[MAX_TUNABLES];
    static uint32_t indices[MAX_TUNABLES];
    static double values[MAX_TUNABLES];
    struct hak_reader reader;
    char error[HAK_ERROR_TEXT_BYTES] = "";
    uint64_t generation;
    uint32_t count = 0;
    CHECK(hak_reader_open(&reader, hak_control_path(), error) == HAK_OK);
    for (uint32_t i = 0; count < MAX_TUNABLES && hak_reader_tunable(&reader, i, &tunables[count], error) == HAK_OK; i++) {
        indices[count] = i;
        count += !is_left_alone(&tunables[count]);
    }
    CHECK(count > 20);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        uint32_t chosen[4], number = 1 + (uint32_t)(next_random(&random) % 4);
        double wanted[4];
        if (next_random(&random) % 8 == 0) { /* back to what is shipped */
            for (uint32_t i = 0; i < count; i++)
                values[i] = shipped_value(&tunables[i]);
            check_code(hak_reader_set(&reader, indices, values, count, &generation, error), error);
        } else {
            for (uint32_t i = 0; i < number; i++) {
                uint32_t which = (uint32_t)(next_random(&random) % count);
                chosen[i] = indices[which];
                wanted[i] = random_value(&tunables[which], &random);
            }
            check_code(hak_reader_set(&reader, chosen, wanted, number, &generation, error), error);
        }
        struct timespec pause = {.tv_nsec = 2000000};
        nanosleep(&pause, NULL); /* a pace, not a wait: nothing depends on it */
    }
    for (uint32_t i = 0; i < count; i++)
        values[i] = shipped_value(&tunables[i]);
    check_code(hak_reader_set(&reader, indices, values, count, &generation, error), error);
    hak_reader_close(&reader);
    return NULL;
}

/* ---- the program -------------------------------------------------------------------------------- */

static uint64_t parse_number(const char *option, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = text ? strtoull(text, &end, 10) : 0;
    if (!text || errno || end == text || *end) {
        fprintf(stderr, "stress: %s needs a number, not '%s'\n", option, text ? text : "");
        exit(2);
    }
    return number;
}

static void parse_arguments(char **arguments)
{
    for (char **argument = arguments + 1; *argument; argument += 2) {
        uint64_t number = parse_number(*argument, argument[1]);
        if (strcmp(*argument, "--seconds") == 0) {
            seconds_wanted = (double)number;
        } else if (strcmp(*argument, "--operations") == 0) {
            operations_wanted = number;
        } else if (strcmp(*argument, "--threads") == 0 && number >= 1 && number <= MAX_THREADS) {
            thread_count = (int)number;
        } else if (strcmp(*argument, "--seed") == 0) {
            seed = number;
        } else {
            fprintf(stderr, "usage: stress [--seconds S | --operations N] [--threads 1..%d] [--seed N]\n", MAX_THREADS);
            exit(2);
        }
    }
}

/* The purging thread, if the settings had one, ends by itself; what it carries back is handed out meanwhile. */
static void wait_until_alone(void)
{
    hak_free(hak_malloc(1)); /* one thread with a cache: this */
    double limit_s = now_s() + 60;
    while (telemetry_get(&telemetry->global.threads) > 1) {
        CHECK(now_s() < limit_s);
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

/* With every block freed, every thread but this gone and its caches flushed, nothing is handed out. */
static void check_nothing_left(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].block)
            empty_slot(&slots[i]);
    wait_until_alone();
    hak_trim();
    CHECK(heap_is_valid());
    CHECK(telemetry_get(&telemetry->global.big_live) == 0 && telemetry_get(&telemetry->global.big_live_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.big_entries) == 0 && telemetry_get(&telemetry->global.big_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.l25_live_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.corruptions) == 0);
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        CHECK(telemetry_get(&telemetry->classes[c].out) == 0);
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.busy_slabs) == 0);
}

int main(int argument_count, char **arguments)
{
    (void)argument_count;
    parse_arguments(arguments);
    for (int i = 0; i < SLOTS; i++)
        CHECK(pthread_mutex_init(&slots[i].mutex, NULL) == 0);
    pthread_t threads[MAX_THREADS], changer;
    uint64_t seeds[MAX_THREADS + 1];
    bool has_block = hak_control_path()[0] != 0; /* without tmpfs there is nothing to set */
    for (int i = 0; i <= thread_count; i++)
        seeds[i] = seed * 1000003 + (uint64_t)i;
    double started_s = now_s();
    for (int i = 0; i < thread_count; i++)
        CHECK(pthread_create(&threads[i], NULL, keep_a_thread_alive, &seeds[i]) == 0);
    if (has_block)
        CHECK(pthread_create(&changer, NULL, change_tunables, &seeds[thread_count]) == 0);
    while (!atomic_load(&is_over)) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
        if (!operations_wanted && now_s() - started_s >= seconds_wanted)
            atomic_store(&is_over, true);
    }
    for (int i = 0; i < thread_count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (has_block)
        CHECK(pthread_join(changer, NULL) == 0);
    check_nothing_left();
    printf("stress: ok, %llu operations in %.1f s, %llu refused for want of memory, %llu sets (%llu refused), seed %llu\n",
           (unsigned long long)operations_done, now_s() - started_s, (unsigned long long)refusals,
           (unsigned long long)sets_done, (unsigned long long)sets_refused, (unsigned long long)seed);
    return 0;
}
