/* big_model.c: gives the large objects of a trace to the copies of the BigCache. */
#include "big_model.h"

#include "big_copies.h"
#include "model_settings.h"
#include "replay_table.h"

#define MEAN_COLOR_BYTES 2016u
#define LEAST_BYTES (L25_MAX_BYTES + 1)
#define NS_PER_MS 1000000

struct large_object {
    uint64_t bytes;
    struct big_copied copied[BIG_COPIED];
    uint32_t next_unused;
};

struct big_model {
    struct big_copies copies;
    struct telemetry_big_copies told;
    struct replay_table live; /* object number -> index in objects */
    struct large_object *objects;
    uint32_t capacity, used, first_unused; /* index 0 is none */
};

struct big_model *big_model_new(void)
{
    struct big_model *model = aligned_alloc(CACHE_LINE, sizeof *model);
    if (!model)
        return NULL;
    *model = (struct big_model){.used = 1};
    if (!replay_table_init(&model->live)) {
        free(model);
        return NULL;
    }
    load_model_settings();
    return model;
}

void big_model_free(struct big_model *model)
{
    if (!model)
        return;
    free(model->live.entries);
    free(model->objects);
    free(model);
}

/* The index of a new object; 0 if there is no memory. */
static uint32_t new_object(struct big_model *model)
{
    uint32_t index = model->first_unused;
    if (index) {
        model->first_unused = model->objects[index].next_unused;
        return index;
    }
    if (model->used >= model->capacity) {
        uint32_t capacity = model->capacity ? 2 * model->capacity : 64;
        struct large_object *objects = realloc(model->objects, capacity * sizeof *objects);
        if (!objects)
            return 0;
        model->objects = objects;
        model->capacity = capacity;
    }
    return model->used++;
}

/* Bytes of a BigCache's block, or 0 if another component serves the request. */
static uint64_t large_bytes(uint64_t bytes, uint64_t alignment)
{
    if (bytes < LEAST_BYTES && alignment < LEAST_BYTES)
        return 0;
    return bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
}

static bool take(struct big_model *model, uint64_t number, uint64_t bytes, uint64_t alignment, uint32_t now_ms)
{
    uint64_t wanted = round_up(bytes, PAGE_BYTES);
    uint32_t index = new_object(model);
    if (!index || !replay_table_add(&model->live, number, index))
        return false;
    const struct big_request request = {
        .frames = big_frames(wanted), .bytes = wanted, .alignment = alignment > 1 ? alignment : 1};
    model->objects[index].bytes = round_up(bytes + MEAN_COLOR_BYTES, PAGE_BYTES);
    big_copies_take(&model->copies, &model->told, &request, now_ms, model->objects[index].copied);
    return true;
}

static void give(struct big_model *model, struct replay_table_entry *entry, uint32_t now_ms)
{
    struct large_object *object = &model->objects[entry->slot];
    const struct big_copy_block block = {
        .bytes = object->bytes, .frames = big_frames(object->bytes), .log_alignment = CHUNK_SHIFT};
    big_copies_give(&model->copies, &block, object->copied, now_ms, (int)SETTING(big_policy));
    object->next_unused = model->first_unused;
    model->first_unused = entry->slot;
    replay_table_remove(&model->live, entry);
}

static bool add(struct big_model *model, uint8_t kind, uint64_t number, uint64_t bytes, uint64_t alignment, uint32_t now_ms)
{
    struct replay_table_entry *entry;
    if (kind == TRACE_THREAD_START || kind == TRACE_THREAD_END)
        return true;
    uint64_t large = kind == TRACE_FREE ? 0 : large_bytes(bytes, alignment);
    if (!large && model->live.count == 0)
        return true;
    entry = replay_table_find(&model->live, number);
    bool was_large = entry->key != 0;
    if (was_large && large && kind == TRACE_REALLOC) { /* it grows or shrinks without the cache */
        model->objects[entry->slot].bytes = round_up(bytes + MEAN_COLOR_BYTES, PAGE_BYTES);
        return true;
    }
    if (was_large)
        give(model, entry, now_ms);
    return !large || take(model, number, large, alignment, now_ms);
}

int big_model_add(struct big_model *model, const struct replay_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        if (!add(model, events->kind[i], events->object_id[i], events->size_bytes[i], events->alignment_bytes[i],
                 (uint32_t)(events->time_ns[i] / NS_PER_MS)))
            return -1;
    return 0;
}

int big_model_read(const struct big_model *model, uint32_t row, struct big_model_row *out)
{
    unsigned size = row / BIG_DELAY_COUNT, delay = row % BIG_DELAY_COUNT;
    if (size >= BIG_SIZE_COUNT)
        return 0;
    const struct telemetry_big_size *told = &model->told.of_size[size];
    uint64_t lookups = telemetry_get(&told->lookups), hits = 0;
    for (unsigned i = 0; i <= delay; i++)
        hits += telemetry_get(&told->of_delay[i].hits);
    *out = (struct big_model_row){
        .max_bytes = big_copy_bytes[size],
        .delay_ms = big_copy_delays_ms[delay],
        .lookups = lookups,
        .hits = hits,
        .held_kib = lookups ? (double)telemetry_get(&told->held_kib) / (double)lookups : 0,
    };
    return 1;
}

const char *big_model_name(void)
{
    return "BigCache";
}

const char *big_model_setting(uint32_t index, double *value)
{
    *value = index == 0 ? (double)SETTING(big_max_bytes) : (double)SETTING(ss_purge_delay_ms);
    return index == 0 ? "big.max_bytes" : "ss.purge_delay_ms";
}
