/* latency.c: log-linear histograms of call times, one for each lane and kind of call, merged at the end. The file is
 * empty unless built with WORKLOAD_LATENCY.
 *
 * A time of t ticks of the cycle counter is in bucket
 *     t                                          below 32 ticks: exact
 *     32 * (o - 4) + the 5 bits after the first  with o the place of the first bit: within 1/32
 * The report gives nanoseconds; the length of a tick comes from the monotonic clock over the whole run. The time of two
 * readings with nothing between them is subtracted from every time, and reported. */
#include "latency.h"

#ifdef WORKLOAD_LATENCY
#include "workload_random.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LINEAR_BITS 5u
#define LINEAR_BUCKETS (1u << LINEAR_BITS)
#define HIGHEST_BIT 40u /* about 5 minutes; longer calls are counted in the last bucket */
#define BUCKETS ((HIGHEST_BIT - LINEAR_BITS + 2u) * LINEAR_BUCKETS)
#define REPORTED_TOGETHER 4u /* so many buckets are reported as one */
#define CALIBRATIONS 1000

struct histogram {
    uint64_t count, max_ticks;
    uint64_t buckets[BUCKETS];
};

struct latency_lane {
    _Alignas(128) uint64_t random;
    struct histogram calls[LATENCY_CALL_COUNT];
};

_Thread_local uint32_t latency_countdown;
static _Thread_local struct latency_lane *thread_lane;

static struct latency_lane *lanes;
static uint32_t lanes_in_use;
static uint64_t overhead_ticks, start_ticks, start_ns;

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int latency_prepare(uint32_t lane_count)
{
    size_t bytes = lane_count * sizeof *lanes;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    lanes = memory; /* stays until the end of the process, because the report reads it */
    lanes_in_use = lane_count;
    overhead_ticks = UINT64_MAX;
    for (int i = 0; i < CALIBRATIONS; i++) {
        uint64_t ticks = processor_ticks_before();
        ticks = processor_ticks_after() - ticks;
        if (ticks < overhead_ticks)
            overhead_ticks = ticks;
    }
    start_ticks = processor_ticks();
    start_ns = clock_ns();
    return 0;
}

/* The interval is from 1 to 2 * LATENCY_INTERVAL - 1, each with the same probability. */
void latency_rearm(void)
{
    thread_lane->random += UINT64_C(0x9e3779b97f4a7c15);
    uint32_t bits = (uint32_t)workload_mix(thread_lane->random);
    latency_countdown = 1 + workload_below(bits, 2 * LATENCY_INTERVAL - 1);
}

void latency_begin(uint32_t lane)
{
    thread_lane = &lanes[lane];
    latency_rearm();
}

void latency_end(void)
{
    latency_countdown = 0;
}

static uint32_t bucket_of(uint64_t ticks)
{
    if (ticks < LINEAR_BUCKETS)
        return (uint32_t)ticks;
    uint32_t highest = 63u - (uint32_t)__builtin_clzll(ticks);
    if (highest > HIGHEST_BIT)
        return BUCKETS - 1;
    uint32_t linear = (uint32_t)(ticks >> (highest - LINEAR_BITS)) & (LINEAR_BUCKETS - 1);
    return (highest - LINEAR_BITS + 1) * LINEAR_BUCKETS + linear;
}

/* The smallest time above the bucket. */
static uint64_t ticks_above(uint32_t bucket)
{
    if (bucket < LINEAR_BUCKETS)
        return bucket + 1;
    uint32_t shift = bucket / LINEAR_BUCKETS - 1;
    return (uint64_t)(LINEAR_BUCKETS + bucket % LINEAR_BUCKETS + 1) << shift;
}

void latency_note(enum latency_call call, uint64_t ticks)
{
    struct histogram *histogram = &thread_lane->calls[call];
    ticks = ticks > overhead_ticks ? ticks - overhead_ticks : 0;
    histogram->count++;
    histogram->buckets[bucket_of(ticks)]++;
    if (ticks > histogram->max_ticks)
        histogram->max_ticks = ticks;
}

/* --- the report ------------------------------------------------------------------------------------- */

static void merge(enum latency_call call, struct histogram *sum)
{
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < lanes_in_use; i++) {
        const struct histogram *part = &lanes[i].calls[call];
        sum->count += part->count;
        if (part->max_ticks > sum->max_ticks)
            sum->max_ticks = part->max_ticks;
        for (uint32_t k = 0; k < BUCKETS; k++)
            sum->buckets[k] += part->buckets[k];
    }
}

/* The upper end of the first bucket such that at least this share of the calls is below it, but at most the largest time. */
static uint64_t quantile_ticks(const struct histogram *histogram, double share)
{
    double sought = share * (double)histogram->count;
    uint64_t below = 0;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
        below += histogram->buckets[bucket];
        if (below != 0 && (double)below >= sought)
            return ticks_above(bucket) < histogram->max_ticks ? ticks_above(bucket) : histogram->max_ticks;
    }
    return histogram->max_ticks;
}

static void report_buckets(const struct histogram *histogram, double ns_per_tick,
                           void (*write_piece)(const char *text))
{
    const char *separator = "";
    char text[64];
    for (uint32_t first = 0; first < BUCKETS; first += REPORTED_TOGETHER) {
        uint64_t count = 0;
        for (uint32_t bucket = first; bucket < first + REPORTED_TOGETHER; bucket++)
            count += histogram->buckets[bucket];
        if (count == 0)
            continue;
        double upper_ns = (double)ticks_above(first + REPORTED_TOGETHER - 1) * ns_per_tick;
        snprintf(text, sizeof text, "%s[%.4g, %llu]", separator, upper_ns, (unsigned long long)count);
        write_piece(text);
        separator = ", ";
    }
}

static void report_call(const char *name, const struct histogram *histogram, double ns_per_tick,
                        void (*write_piece)(const char *text))
{
    char text[256];
    snprintf(text, sizeof text,
             ", \"%s\": {\"count\": %llu, \"p50\": %.1f, \"p99\": %.1f, \"p99_9\": %.1f, \"max\": %.1f, "
             "\"buckets\": [",
             name, (unsigned long long)histogram->count,
             (double)quantile_ticks(histogram, 0.5) * ns_per_tick,
             (double)quantile_ticks(histogram, 0.99) * ns_per_tick,
             (double)quantile_ticks(histogram, 0.999) * ns_per_tick,
             (double)histogram->max_ticks * ns_per_tick);
    write_piece(text);
    report_buckets(histogram, ns_per_tick, write_piece);
    write_piece("]}");
}

void latency_report(void (*write_piece)(const char *text))
{
    static const char *const names[LATENCY_CALL_COUNT] = {"malloc", "realloc", "free"};
    static struct histogram sum;
    if (lanes == NULL)
        return;
    double ns_per_tick = (double)(clock_ns() - start_ns) / (double)(processor_ticks() - start_ticks);
    char text[128];
    snprintf(text, sizeof text, ", \"latency\": {\"interval\": %u, \"clock_overhead_ns\": %.1f",
             LATENCY_INTERVAL, (double)overhead_ticks * ns_per_tick);
    write_piece(text);
    for (uint32_t call = 0; call < LATENCY_CALL_COUNT; call++) {
        merge((enum latency_call)call, &sum);
        if (sum.count != 0)
            report_call(names[call], &sum, ns_per_tick, write_piece);
    }
    write_piece("}");
}

#endif
