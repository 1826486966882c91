/* site_churn.c: big blocks from many call sites. Every site is a function of its own, so that an
 * allocator that looks at its return address sees many call sites. A site always requests the same size.
 * All slots are filled, then a share of the blocks is freed, and the slots are filled again from
 * other sites, and so on. The share grows by a third each phase_ms, from a third to all, and then starts anew,
 * so that the allocator has more and more freed blocks at a time. */
#include "block_content.h"
#include "catalogue.h"

enum { SITES, BLOCKS, MIN_SIZE, MAX_SIZE, TOUCHED, PHASE_MS, PARAMETER_COUNT };

#define SITE_COUNT 1024u
#define TIDES 3u
/* There are few sizes, so that a block that serves one site after another is not touched at a new end each time. */
#define SIZE_STEPS 16u

static const struct workload_parameter parameters[] = {
    [SITES] = {"sites", "call sites", "Call sites that allocate; low ones do so more often.", 1, SITE_COUNT, SITE_COUNT},
    [BLOCKS] = {"blocks", "blocks", "Blocks in use at high tide, of all threads together.", 3, 100000, 480},
    [MIN_SIZE] = {"min_size", "bytes", "Smallest block.", 1048577, 67108864, 1052672},
    [MAX_SIZE] = {"max_size", "bytes", "Largest block; 16 sizes between the two.", 1048577, 67108864, 2097152},
    [TOUCHED] = {"touched", "%", "Share of a block's pages that is written, besides its ends.", 0, 100, 0},
    [PHASE_MS] = {"phase_ms", "ms", "How long a tide lasts (by operations: 1000 of a thread are 1 ms).",
                  1, 600000, 3000},
};

/* One function for each site. The empty asm keeps the call from becoming a jump, which would leave the caller's
 * return address, and its constant keeps the compiler from merging equal functions. */
#define SITE(n)                                                                                          \
    static __attribute__((noinline)) void *allocate_at_##n(size_t bytes)                                 \
    {                                                                                                    \
        void *block = WORKLOAD_MALLOC(bytes);                                                            \
        __asm__ volatile("" : "+r"(block) : "i"(0x##n));                                                 \
        return block;                                                                                    \
    }
#define SITE_NAME(n) allocate_at_##n,

#define EACH_OF_16(M, n)                                                                                 \
    M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7)                                      \
    M(n##8) M(n##9) M(n##a) M(n##b) M(n##c) M(n##d) M(n##e) M(n##f)
#define EACH_OF_256(M, n)                                                                                \
    EACH_OF_16(M, n##0) EACH_OF_16(M, n##1) EACH_OF_16(M, n##2) EACH_OF_16(M, n##3)                      \
    EACH_OF_16(M, n##4) EACH_OF_16(M, n##5) EACH_OF_16(M, n##6) EACH_OF_16(M, n##7)                      \
    EACH_OF_16(M, n##8) EACH_OF_16(M, n##9) EACH_OF_16(M, n##a) EACH_OF_16(M, n##b)                      \
    EACH_OF_16(M, n##c) EACH_OF_16(M, n##d) EACH_OF_16(M, n##e) EACH_OF_16(M, n##f)
#define EACH_SITE(M) EACH_OF_256(M, 0) EACH_OF_256(M, 1) EACH_OF_256(M, 2) EACH_OF_256(M, 3)

EACH_SITE(SITE)

static void *(*const allocate_at[SITE_COUNT])(size_t) = {EACH_SITE(SITE_NAME)};

struct site_churn {
    uint32_t sites, block_count, live, low_tide, min_size, step_bytes, touched_percent;
    bool is_filling;
    size_t mapped_bytes;
    struct content_block blocks[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t total = (uint32_t)lane->parameters[BLOCKS];
    uint32_t count = total / lane->lane_count + (lane->index < total % lane->lane_count);
    if (count == 0)
        count = 1;
    size_t bytes = sizeof(struct site_churn) + count * sizeof(struct content_block);
    struct site_churn *churn = lane->state = workload_map(lane, bytes);
    if (churn == NULL)
        return WORKLOAD_FAILED;
    churn->mapped_bytes = bytes;
    churn->block_count = count;
    churn->sites = (uint32_t)lane->parameters[SITES];
    churn->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    churn->step_bytes = ((uint32_t)lane->parameters[MAX_SIZE] - churn->min_size) / (SIZE_STEPS - 1);
    churn->touched_percent = (uint32_t)lane->parameters[TOUCHED];
    churn->is_filling = true;
    return WORKLOAD_DONE;
}

/* Squares a uniform random number, so that the first quarter of the sites makes half of the calls. */
static uint32_t draw_site(struct workload_lane *lane, const struct site_churn *churn)
{
    uint64_t uniform = workload_random(lane) >> 32;
    return workload_below((uint32_t)((uniform * uniform) >> 32), churn->sites);
}

static bool allocate(struct workload_lane *lane, struct site_churn *churn)
{
    uint32_t site = draw_site(lane, churn);
    uint32_t step = workload_below((uint32_t)workload_mix(site + 1), SIZE_STEPS);
    uint32_t bytes = churn->min_size + step * churn->step_bytes;
    struct content_block *block = &churn->blocks[churn->live];
    block->address = allocate_at[site](bytes);
    if (block->address == NULL) {
        workload_fail(lane, "out of memory: malloc(%u) returned NULL", bytes);
        return false;
    }
    block->bytes = bytes;
    block->tag = (uint32_t)workload_mix((uintptr_t)block->address);
    content_write(block);
    content_touch_pages(block, churn->touched_percent);
    workload_note(lane, (uint64_t)site << 32 | bytes);
    churn->live++;
    return true;
}

static bool release(struct workload_lane *lane, struct site_churn *churn)
{
    uint32_t slot = workload_below((uint32_t)workload_random(lane), churn->live);
    if (!content_release(lane, &churn->blocks[slot], slot))
        return false;
    churn->live--;
    churn->blocks[slot] = churn->blocks[churn->live];
    churn->blocks[churn->live].address = NULL;
    return true;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct site_churn *churn = lane->state;
    do {
        if (!(churn->is_filling ? allocate(lane, churn) : release(lane, churn)))
            return WORKLOAD_FAILED;
        if (churn->is_filling && churn->live == churn->block_count) {
            uint32_t tide = (uint32_t)(workload_period(lane, lane->parameters[PHASE_MS]) % TIDES) + 1;
            uint32_t freed = churn->block_count * tide / TIDES;
            churn->low_tide = churn->block_count - (freed == 0 ? 1 : freed);
            churn->is_filling = false;
        } else if (!churn->is_filling && churn->live == churn->low_tide) {
            churn->is_filling = true;
        }
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct site_churn *churn = lane->state;
    content_release_all(churn->blocks, churn->block_count);
    workload_unmap(churn, churn->mapped_bytes);
}

const struct workload workload_site_churn = {
    .name = "site_churn",
    .help = "Blocks above 1 MiB from 1024 call sites, freed and allocated again in tides that grow.",
    .stresses = "The cache of big blocks: its buckets, hits by call site, and the cost of mapping.",
    .operation = "one allocation or one free",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
