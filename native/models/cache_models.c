/* cache_models.c: gives the events of a trace to the rules of each allocator, and counts. */
#include "cache_models.h"

#include "cache_rules.h"
#include "model_settings.h"
#include "replay_table.h"

#define UNIT_BYTES 8u
#define UNITS (CACHED_MOST_BYTES / UNIT_BYTES)
#define UNCACHED 0xff

/* The caches of one thread. */
struct thread_caches {
    struct model_bin *bins[CACHE_RULES_COUNT][MOST_CLASSES];
    uint64_t allocated[CACHE_RULES_COUNT], freed[CACHE_RULES_COUNT]; /* bytes since the last look */
    uint8_t next_look[CACHE_RULES_COUNT];
};

struct cache_models {
    struct cache_tally tallies[CACHE_RULES_COUNT][MOST_CLASSES];
    uint8_t class_of[CACHE_RULES_COUNT][UNITS + 1];
    struct replay_table objects; /* the size of each live object that caches may hold, in units */
    struct thread_caches **threads;
    uint64_t thread_capacity;
    uint64_t events;
};

struct cache_models *cache_models_new(void)
{
    struct cache_models *models = calloc(1, sizeof *models);
    if (!models || !replay_table_init(&models->objects)) {
        free(models);
        return NULL;
    }
    load_model_settings();
    for (unsigned m = 0; m < CACHE_RULES_COUNT; m++) {
        unsigned class_index = 0;
        for (unsigned units = 1; units <= UNITS; units++) {
            while (class_index < cache_rules[m].class_count && cache_rules[m].most_bytes(class_index) < units * UNIT_BYTES)
                class_index++;
            models->class_of[m][units] = class_index < cache_rules[m].class_count ? (uint8_t)class_index : UNCACHED;
        }
    }
    return models;
}

static void free_thread(struct thread_caches *thread)
{
    for (unsigned m = 0; m < CACHE_RULES_COUNT; m++)
        for (unsigned c = 0; c < MOST_CLASSES; c++)
            free(thread->bins[m][c]);
    free(thread);
}

void cache_models_free(struct cache_models *models)
{
    if (!models)
        return;
    for (uint64_t i = 0; i < models->thread_capacity; i++)
        if (models->threads[i])
            free_thread(models->threads[i]);
    free(models->threads);
    free(models->objects.entries);
    free(models);
}

static struct thread_caches *find_thread(struct cache_models *models, uint32_t number)
{
    if (number >= models->thread_capacity) {
        uint64_t capacity = models->thread_capacity ? models->thread_capacity : 64;
        while (capacity <= number)
            capacity *= 2;
        struct thread_caches **threads = realloc(models->threads, capacity * sizeof *threads);
        if (!threads)
            return NULL;
        for (uint64_t i = models->thread_capacity; i < capacity; i++)
            threads[i] = NULL;
        models->threads = threads;
        models->thread_capacity = capacity;
    }
    if (!models->threads[number])
        models->threads[number] = calloc(1, sizeof *models->threads[number]);
    return models->threads[number];
}

/* Brings the sum of held blocks up to the event. */
static struct cache_tally *tally_of(struct cache_models *models, unsigned model, unsigned class_index)
{
    struct cache_tally *tally = &models->tallies[model][class_index];
    uint64_t passed = models->events - tally->counted;
    for (unsigned i = 0; i < CAPACITY_COUNT; i++)
        tally->held_events[i] += (uint64_t)tally->held[i] * passed;
    tally->counted = models->events;
    return tally;
}

static struct model_bin *bin_of(struct thread_caches *thread, unsigned model, unsigned class_index)
{
    struct model_bin **bin = &thread->bins[model][class_index];
    if (!*bin)
        *bin = calloc(1, sizeof **bin);
    return *bin;
}

static void end_thread(struct cache_models *models, uint32_t number)
{
    if (number >= models->thread_capacity || !models->threads[number])
        return;
    struct thread_caches *thread = models->threads[number];
    for (unsigned m = 0; m < CACHE_RULES_COUNT; m++) {
        for (unsigned c = 0; c < cache_rules[m].class_count; c++) {
            if (!thread->bins[m][c])
                continue;
            struct cache_tally *tally = tally_of(models, m, c);
            for (unsigned i = 0; i < CAPACITY_COUNT; i++) {
                uint32_t fill = cache_rules[m].fill(thread->bins[m][c], i);
                tally->flushes[i] += fill > 0;
                tally->held[i] -= fill;
                tally->returned[i] += fill;
                if (i > 0)
                    atomic_fetch_add_explicit(&tally->sources[i - 1].returned, fill, memory_order_relaxed);
            }
        }
    }
    free_thread(thread);
    models->threads[number] = NULL;
}

static void look(struct cache_models *models, struct thread_caches *thread, unsigned model, uint64_t *bytes)
{
    const struct cache_rules *rules = &cache_rules[model];
    for (; *bytes >= rules->bytes_per_look; *bytes -= rules->bytes_per_look) {
        unsigned class_index = thread->next_look[model];
        if (thread->bins[model][class_index])
            rules->look(tally_of(models, model, class_index), thread->bins[model][class_index], class_index);
        thread->next_look[model] = (uint8_t)((class_index + 1) % rules->class_count);
    }
}

enum { TAKE = 1, GIVE = 2 };

/* A thread takes a block of `units`, gives it back, or both. Blocks of the same class are the same block then. */
static bool move(struct cache_models *models, struct thread_caches *thread, unsigned taken, unsigned given, int what)
{
    for (unsigned m = 0; m < CACHE_RULES_COUNT; m++) {
        const struct cache_rules *rules = &cache_rules[m];
        unsigned to = what & TAKE && taken ? models->class_of[m][taken] : UNCACHED;
        unsigned from = what & GIVE && given ? models->class_of[m][given] : UNCACHED;
        if (to == from)
            continue;
        if (to != UNCACHED) {
            struct model_bin *bin = bin_of(thread, m, to);
            if (!bin)
                return false;
            struct cache_tally *tally = tally_of(models, m, to);
            tally->allocations++;
            rules->take(tally, bin, to);
            thread->allocated[m] += rules->block_bytes(to);
        }
        if (from != UNCACHED) {
            struct model_bin *bin = bin_of(thread, m, from);
            if (!bin)
                return false;
            struct cache_tally *tally = tally_of(models, m, from);
            tally->frees++;
            rules->give(tally, bin, from);
            thread->freed[m] += rules->block_bytes(from);
        }
        if (rules->bytes_per_look) {
            look(models, thread, m, &thread->allocated[m]);
            look(models, thread, m, &thread->freed[m]);
        }
    }
    return true;
}

/* 0: no cache holds a block of the size. */
static unsigned units_of(uint64_t bytes, uint64_t alignment)
{
    uint64_t unit = alignment > UNIT_BYTES ? alignment : UNIT_BYTES;
    if (bytes > CACHED_MOST_BYTES || unit > CACHED_MOST_BYTES)
        return 0;
    uint64_t rounded = bytes ? (bytes + unit - 1) / unit * unit : unit;
    return rounded > CACHED_MOST_BYTES ? 0 : (unsigned)(rounded / UNIT_BYTES);
}

static bool add(struct cache_models *models, uint8_t kind, uint32_t number, uint64_t object, unsigned units)
{
    if (kind == TRACE_THREAD_END) {
        end_thread(models, number);
        return true;
    }
    struct thread_caches *thread = find_thread(models, number);
    if (!thread)
        return false;
    if (kind == TRACE_THREAD_START)
        return true;
    struct replay_table_entry *entry = replay_table_find(&models->objects, object);
    unsigned former = entry->key ? entry->slot : 0;
    if (kind == TRACE_FREE) {
        if (entry->key)
            replay_table_remove(&models->objects, entry);
        return move(models, thread, 0, former, GIVE);
    }
    if (units == 0) { /* it lives in no cache's class */
        if (entry->key)
            replay_table_remove(&models->objects, entry);
    } else if (entry->key) {
        entry->slot = units;
    } else if (!replay_table_add(&models->objects, object, units)) {
        return false;
    }
    return move(models, thread, units, former, kind == TRACE_REALLOC ? TAKE | GIVE : TAKE);
}

int cache_models_add(struct cache_models *models, const struct replay_events *events)
{
    for (size_t i = 0; i < events->count; i++, models->events++) {
        unsigned units = units_of(events->size_bytes[i], events->alignment_bytes[i]);
        if (!add(models, events->kind[i], events->thread[i], events->object_id[i], units))
            return -1;
    }
    return 0;
}

const char *cache_model_name(uint32_t index)
{
    return index < CACHE_RULES_COUNT ? cache_rules[index].name : NULL;
}

int cache_models_read(const struct cache_models *models, uint32_t index, uint32_t row, struct cache_model_row *out)
{
    const struct cache_rules *rules = &cache_rules[index];
    unsigned class_index = row / CAPACITY_COUNT, setting = row % CAPACITY_COUNT;
    if (class_index >= rules->class_count)
        return 0;
    const struct cache_tally *tally = &models->tallies[index][class_index];
    double sum = (double)tally->held_events[setting] +
                 (double)tally->held[setting] * (double)(models->events - tally->counted);
    uint32_t capacity = rules->capacity(class_index, setting);
    *out = (struct cache_model_row){
        .block_bytes = rules->block_bytes(class_index),
        .capacity = capacity,
        .is_initial = capacity == rules->initial(class_index),
        .allocations = tally->allocations,
        .frees = tally->frees,
        .refills = tally->refills[setting],
        .flushes = tally->flushes[setting],
        .held_blocks = models->events ? sum / (double)models->events : 0,
    };
    return 1;
}
