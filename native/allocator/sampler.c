/* sampler.c: draws the distances between samples. */
#include "sampler.h"

#include "central.h"
#include "integrity.h"
#include "samples.h"

#define MOST_BLOCKS (UINT32_MAX / 2)

uint64_t sampler_seed = 1;

static uint64_t next_random(struct tls_cache *cache)
{
    uint64_t value = cache->sample_random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* The natural logarithm of a number in (0, 1], to 1e-10: the C library's would need libm. */
static double logarithm(double number)
{
    const double ln2 = 0.69314718055994530942;
    double halvings = 0;
    for (; number < 0.7071; number *= 2)
        halvings += ln2;
    double z = (number - 1) / (number + 1), square = z * z, sum = 0; /* 2 atanh(z) */
#pragma GCC unroll 7
    for (int power = 13; power > 0; power -= 2)
        sum = sum * square + 1.0 / power;
    return 2 * z * sum - halvings;
}

/* Draws how many bytes of blocks come before the next hit. */
static double draw_bytes(struct tls_cache *cache)
{
    double chance = ((double)(next_random(cache) >> 11) + 1) * 0x1p-53; /* in (0, 1] */
    return -logarithm(chance) * (double)cache->sample_interval_bytes;
}

/* Draws how many allocations the bin serves until the next sample, this one included, and ends the countdown there. */
static void draw(struct tls_cache *cache, struct bin *bin, unsigned class_index)
{
    uint32_t uncounted = bin->granted - bin->countdown, blocks = MOST_BLOCKS;
    if (cache->sample_interval_bytes) {
        double number = draw_bytes(cache) / size_classes[class_index].bytes + 1;
        blocks = number < MOST_BLOCKS ? (uint32_t)number : MOST_BLOCKS;
    }
    cache->sample_at[class_index] =
        (uint32_t)telemetry_get(&cache->row->classes[class_index].allocations) + uncounted + blocks;
    if (blocks < bin->countdown) {
        bin->countdown = blocks;
        bin->granted = uncounted + blocks;
    }
}

void sampler_switch(struct tls_cache *cache, bool is_new)
{
    static _Atomic uint64_t switched; /* relaxed: only to begin at different numbers */
    uint64_t interval_bytes = (uint64_t)SETTING(sample_interval_bytes);
    if (interval_bytes == cache->sample_interval_bytes && !is_new)
        return;
    if (!cache->sample_random)
        cache->sample_random = (sampler_seed << 32) + atomic_fetch_add_explicit(&switched, 1, memory_order_relaxed) * 2 + 1;
    cache->sample_interval_bytes = interval_bytes;
    for (unsigned i = 0; i < BIN_COUNT; i++)
        draw(cache, &cache->bins[i], i);
    cache->until_large_sample = draw_bytes(cache);
}

void *sampler_allocate(struct tls_cache *cache, struct bin *bin, size_t requested_bytes)
{
    unsigned class_index = bin->class_index;
    struct telemetry_thread_class *row = &cache->row->classes[class_index];
    void *block;
    if (!cache->sample_interval_bytes)
        return NULL;
    draw(cache, bin, class_index);
    if (!central_take(&cache->actor, row, central_sampled_heap(), class_index, &block, 1, &cache->fresh_slabs))
        return NULL;
    if (!samples_add(&cache->actor, block, requested_bytes, size_classes[class_index].bytes, cache->sample_interval_bytes)) {
        central_give(&cache->actor, row, central_sampled_heap(), class_index, &block, 1);
        return NULL;
    }
    integrity_forget(&block, 1);
    return block;
}

bool sampler_note_large(struct tls_cache *cache, const void *block, size_t requested_bytes, size_t block_bytes)
{
    cache->until_large_sample -= (double)block_bytes;
    if (cache->until_large_sample > 0)
        return false;
    cache->until_large_sample = draw_bytes(cache);
    return samples_add(&cache->actor, block, requested_bytes, block_bytes, cache->sample_interval_bytes);
}
