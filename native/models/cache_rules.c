/* cache_rules.c: hakmem by its own code, glibc and jemalloc as their sources say. */
#include "cache_rules.h"

static uint32_t ladder(unsigned setting)
{
    return setting == 0 ? 0 : ghost_capacity(setting - 1);
}

/* ---- hakmem: half of the capacity moves at a time, as far as the swing does not need it (ghost_rules.h) --------- */

static uint32_t hakmem_bytes(unsigned class_index)
{
    return size_classes[class_index].bytes;
}

/* The largest of the ladder that a limit allows; at least its first. */
static uint32_t ladder_below(uint32_t limit)
{
    unsigned setting = 1;
    while (setting + 1 < CAPACITY_COUNT && ladder(setting + 1) <= limit)
        setting++;
    return ladder(setting);
}

static uint32_t hakmem_capacity(unsigned class_index, unsigned setting)
{
    return ladder(setting) > ladder_below(class_limits(class_index).maximum) ? 0 : ladder(setting);
}

static uint32_t hakmem_initial(unsigned class_index)
{
    return ladder_below(class_limits(class_index).initial);
}

static void hakmem_open(struct model_bin *bin)
{
    if (bin->is_open)
        return;
    bin->is_open = true; /* all positions are 0 */
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        ghost_place(&bin->ghosts, i, bin->position);
    ghost_find_nearest(&bin->ghosts, bin->position);
}

/* Counts what the ghosts did, and what that added to or took from them. */
static void hakmem_count(struct cache_tally *tally, struct model_bin *bin, const uint32_t *starts)
{
    for (unsigned i = 0; i < GHOST_COUNT; i++) {
        struct ghost *ghost = &bin->ghosts.ghosts[i];
        tally->held[i + 1] -= ghost_distance(starts[i], ghost->start);
        tally->refills[i + 1] += ghost->refills;
        tally->flushes[i + 1] += ghost->flushes;
        ghost->refills = ghost->flushes = 0;
    }
}

static void hakmem_save(const struct model_bin *bin, uint32_t *starts)
{
    for (unsigned i = 0; i < GHOST_COUNT; i++)
        starts[i] = bin->ghosts.ghosts[i].start;
}

static void hakmem_take(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    hakmem_open(bin);
    if (ghost_distance(bin->ghosts.below, bin->position) <= 0) {
        uint32_t starts[GHOST_COUNT];
        hakmem_save(bin, starts);
        ghost_bin_pop(&bin->ghosts, class_index, tally->sources, bin->position);
        hakmem_count(tally, bin, starts);
    }
    bin->position--;
    for (unsigned i = 1; i < CAPACITY_COUNT; i++)
        tally->held[i]--;
}

static void hakmem_give(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    (void)class_index;
    hakmem_open(bin);
    if (ghost_distance(bin->position, bin->ghosts.above) <= 0) {
        uint32_t starts[GHOST_COUNT];
        hakmem_save(bin, starts);
        ghost_bin_push(&bin->ghosts, tally->sources, bin->position);
        hakmem_count(tally, bin, starts);
    }
    bin->position++;
    for (unsigned i = 1; i < CAPACITY_COUNT; i++)
        tally->held[i]++;
}

static uint32_t hakmem_fill(const struct model_bin *bin, unsigned setting)
{
    return setting && bin->is_open ? bin->position - bin->ghosts.ghosts[setting - 1].start : 0;
}

/* ---- glibc: one block at a time goes to the arena; a miss takes along what lies there ---------------------------
 *
 * malloc/malloc.c of glibc 2.36: tcache_put and tcache_get; _int_malloc, "stash them in the tcache", for fast bins, small
 * bins and the unsorted list; MAX_TCACHE_SIZE; TCACHE_FILL_COUNT is 7 (16 since 2.42). Here there is one arena, and free
 * blocks do not merge. */

#define GLIBC_CLASSES 64
#define GLIBC_SLOTS 7

static uint32_t glibc_bytes(unsigned class_index)
{
    return 32 + 16 * class_index;
}

static uint32_t glibc_most(unsigned class_index)
{
    return glibc_bytes(class_index) - 8;
}

static uint32_t glibc_initial(unsigned class_index)
{
    (void)class_index;
    return GLIBC_SLOTS;
}

static uint32_t glibc_capacity(unsigned class_index, unsigned setting)
{
    (void)class_index;
    return setting == 0 ? GLIBC_SLOTS : ladder(setting);
}

static uint32_t counted_fill(const struct model_bin *bin, unsigned setting)
{
    return bin->fill[setting];
}

static void glibc_take(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
        if (bin->fill[i]) {
            bin->fill[i]--;
            tally->held[i]--;
            continue;
        }
        tally->refills[i]++;
        if (tally->returned[i] == 0)
            continue;
        uint64_t others = --tally->returned[i], room = glibc_capacity(class_index, i);
        uint32_t stashed = (uint32_t)(others < room ? others : room);
        tally->returned[i] -= stashed;
        tally->held[i] += stashed;
        bin->fill[i] = stashed;
    }
}

static void glibc_give(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
        if (bin->fill[i] < glibc_capacity(class_index, i)) {
            bin->fill[i]++;
            tally->held[i]++;
        } else {
            tally->flushes[i]++;
            tally->returned[i]++;
        }
    }
}

/* ---- jemalloc: half moves at a time, and what lay idle goes back little by little -------------------------------
 *
 * src/tcache.c of jemalloc 5.3: tcache_ncached_max_compute, tcache_alloc_small_hard with arena_cache_bin_fill_small,
 * lg_tcache_flush_small_div = lg_tcache_flush_large_div = 1, tcache_gc_small and tcache_gc_large, which
 * thread_event.h calls after each tcache_gc_incr_bytes = 64 KiB. Large classes are not filled. */

#define JEMALLOC_CLASSES 41
#define JEMALLOC_SMALL_CLASSES 36
#define JEMALLOC_PAGE_BYTES 4096

static uint32_t jemalloc_bytes(unsigned class_index)
{
    if (class_index <= 8)
        return class_index ? 16 * class_index : 8;
    unsigned doubling = (class_index - 9) / 4, step = (class_index - 9) % 4 + 1;
    return (128u << doubling) + step * (32u << doubling);
}

static uint32_t jemalloc_initial(unsigned class_index)
{
    if (class_index >= JEMALLOC_SMALL_CLASSES)
        return 20;
    uint32_t bytes = jemalloc_bytes(class_index), slab_bytes = JEMALLOC_PAGE_BYTES;
    while (slab_bytes % bytes)
        slab_bytes += JEMALLOC_PAGE_BYTES;
    return (uint32_t)clamp_int64(2 * (slab_bytes / bytes), 20, 200);
}

static uint32_t jemalloc_capacity(unsigned class_index, unsigned setting)
{
    return setting == 0 ? jemalloc_initial(class_index) : ladder(setting);
}

static void jemalloc_take(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    bool is_small = class_index < JEMALLOC_SMALL_CLASSES;
    for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
        if (bin->fill[i] == 0) {
            tally->refills[i]++;
            bin->is_refilled[i] = 1;
            bin->low[i] = 0;
            if (!is_small)
                continue;
            uint32_t blocks = jemalloc_capacity(class_index, i) >> (1 + bin->divisions[i]);
            bin->fill[i] = blocks ? blocks : 1;
            tally->held[i] += bin->fill[i];
        }
        bin->fill[i]--;
        tally->held[i]--;
        if (bin->fill[i] < bin->low[i])
            bin->low[i] = bin->fill[i];
    }
}

static void jemalloc_keep(struct cache_tally *tally, struct model_bin *bin, unsigned setting, uint32_t kept)
{
    tally->flushes[setting]++;
    tally->held[setting] -= bin->fill[setting] - kept;
    bin->fill[setting] = kept;
    if (kept < bin->low[setting])
        bin->low[setting] = kept;
}

static void jemalloc_give(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
        uint32_t capacity = jemalloc_capacity(class_index, i);
        if (bin->fill[i] == capacity)
            jemalloc_keep(tally, bin, i, capacity / 2);
        bin->fill[i]++;
        tally->held[i]++;
    }
}

/* Three quarters of what lay below the lowest fill go back, and refills become smaller; after a refill, larger again. */
static void jemalloc_look(struct cache_tally *tally, struct model_bin *bin, unsigned class_index)
{
    bool is_small = class_index < JEMALLOC_SMALL_CLASSES;
    for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
        uint32_t low = bin->low[i];
        if (low > 0) {
            jemalloc_keep(tally, bin, i, bin->fill[i] - (low - low / 4));
            bin->divisions[i] += is_small && jemalloc_capacity(class_index, i) >> (bin->divisions[i] + 2) >= 1;
        } else if (is_small && bin->is_refilled[i]) {
            bin->divisions[i] -= bin->divisions[i] > 0;
            bin->is_refilled[i] = 0;
        }
        bin->low[i] = bin->fill[i];
    }
}

const struct cache_rules cache_rules[CACHE_RULES_COUNT] = {
    {"hakmem", SIZE_CLASS_COUNT, hakmem_bytes, hakmem_bytes, hakmem_capacity, hakmem_initial, hakmem_take, hakmem_give,
     hakmem_fill, 0, NULL},
    {"glibc", GLIBC_CLASSES, glibc_bytes, glibc_most, glibc_capacity, glibc_initial, glibc_take, glibc_give, counted_fill, 0,
     NULL},
    {"jemalloc", JEMALLOC_CLASSES, jemalloc_bytes, jemalloc_bytes, jemalloc_capacity, jemalloc_initial, jemalloc_take,
     jemalloc_give, counted_fill, 65536, jemalloc_look},
};
_Static_assert(SIZE_CLASS_COUNT <= MOST_CLASSES && GLIBC_CLASSES <= MOST_CLASSES && JEMALLOC_CLASSES <= MOST_CLASSES,
               "classes fit");
