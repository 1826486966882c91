/* control.c: makes the descriptors of the allocator's control block from the tables, and adopts settings. */
#include "control.h"

#include "events.h"
#include "lock.h"
#include "os.h"
#include "settings.h"
#include "system_call.h"
#include "telemetry.h"

#include <string.h>

#ifndef HAKMEM_VERSION
#define HAKMEM_VERSION "0.1.0"
#endif
#ifdef HAKMEM_DEFAULTS_FILE
#define BUILD_DEFAULTS " defaults=exported"
#else
#define BUILD_DEFAULTS ""
#endif
#if defined(HAK_DEBUG) && HAK_DEBUG
#define BUILD_CHECKS " debug"
#else
#define BUILD_CHECKS ""
#endif
#define EVENT_CAPACITY 16384
#define FIRST_SHARD_ROWS (SMALLEST_PAGE_BYTES / sizeof(struct telemetry_shard))


static struct lock settings_lock;
static _Alignas(CACHE_LINE) _Atomic uint64_t current_generation; /* the generation in `settings`; store release under settings_lock */

static struct {
    _Atomic uint64_t asked; /* how often it was asked for; stored relaxed under settings_lock */
    _Atomic uint64_t begun; /* the value of `asked` when it last began; changed by a relaxed CAS of the thread that begins */
    uint64_t done;          /* the value of `asked` for which it was last done; under settings_lock */
} actions[ACTION_COUNT];

enum axis { AXIS_CLASS, AXIS_THREAD, AXIS_SHARD, AXIS_TIER, AXIS_ACTION, AXIS_CAPACITY, AXIS_BIG_SIZE, AXIS_BIG_DELAY, AXIS_COUNT };
#define AXIS_NONE HAK_NO_AXIS

/* Most of a descriptor's bytes are room that its texts do not use. As arrays in this library and in the block, the
 * descriptors would take 26 pages of every process. So the library holds the texts one behind the other, and unpacks them
 * into the block, whose pages then leave the process (writer.c), as those of these texts do. */
static const char tunable_texts[] =
#define HAK_TUNABLE(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, alias, help)  \
    name "\0" group "\0" unit "\0" help "\0" choices "\0"
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
#define HAK_ACTION(field, name, group, help) name "\0" group "\0\0" help "\0\0"
#include "actions.def"
#undef HAK_ACTION
    ;

static const struct {
    double minimum, maximum;
    uint8_t type, scale, effect;
} tunable_facts[] = {
#define HAK_TUNABLE(field, name, group, unit, type, scale, effect, minimum, maximum, ...)                            \
    {minimum, maximum, HAK_TYPE_##type, HAK_SCALE_##scale, HAK_EFFECT_##effect},
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
#define HAK_ACTION(...) {0, 9007199254740992, HAK_TYPE_ACTION, HAK_SCALE_LINEAR, HAK_EFFECT_LIVE},
#include "actions.def"
#undef HAK_ACTION
};

static const struct hak_constraint constraints[] = {
#define HAK_TUNABLE(...)
#define HAK_CONSTRAINT(lower, upper, strict) {TUNABLE_##lower, TUNABLE_##upper, strict, 0},
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
};

static const char metric_texts[] =
#define HAK_METRIC_TEXTS(field, name, group, unit, chart, kind, fold, role, is_step, help)                           \
    name "\0" group "\0" unit "\0" help "\0" chart "\0"
#define HAK_METRIC_GLOBAL HAK_METRIC_TEXTS
#define HAK_METRIC_THREAD HAK_METRIC_TEXTS
#define HAK_METRIC_THREAD_CLASS HAK_METRIC_TEXTS
#define HAK_METRIC_CLASS HAK_METRIC_TEXTS
#define HAK_METRIC_GHOST HAK_METRIC_TEXTS
#define HAK_METRIC_BIG_SIZE HAK_METRIC_TEXTS
#define HAK_METRIC_BIG_DELAY HAK_METRIC_TEXTS
#define HAK_METRIC_SHARD HAK_METRIC_TEXTS
#define HAK_METRIC_TIER HAK_METRIC_TEXTS
#define HAK_DERIVED(kind, name, operand_a, operand_b, group, unit, chart, role, help)                                \
    name "\0" group "\0" unit "\0" help "\0" chart "\0"
#include "telemetry.def"
    ;

#define METRIC(kind, fold, role, is_step, axis0, axis1, offset, stride0, stride1)                                   \
    {offset, {stride0, stride1}, {axis0, axis1}, HAK_METRIC_##kind, HAK_FOLD_##fold, HAK_ROLE_##role, is_step},

static const struct {
    uint32_t offset, stride[2], axis[2];
    uint8_t kind, fold, role, is_step;
} metric_facts[] = {
#define HAK_METRIC_GLOBAL(field, name, group, unit, chart, kind, fold, role, is_step, help)                                  \
    METRIC(kind, fold, role, is_step, AXIS_NONE, AXIS_NONE,                              \
           offsetof(struct telemetry, global.field), 0, 0)
#define HAK_METRIC_THREAD(field, name, group, unit, chart, kind, fold, role, is_step, help)                                  \
    METRIC(kind, fold, role, is_step, AXIS_THREAD, AXIS_NONE,                            \
           offsetof(struct telemetry, threads[0].field), sizeof(struct telemetry_thread), 0)
#define HAK_METRIC_THREAD_CLASS(field, name, group, unit, chart, kind, fold, role, is_step, help)                            \
    METRIC(kind, fold, role, is_step, AXIS_THREAD, AXIS_CLASS,                           \
           offsetof(struct telemetry, threads[0].classes[0].field), sizeof(struct telemetry_thread),                     \
           sizeof(struct telemetry_thread_class))
#define HAK_METRIC_CLASS(field, name, group, unit, chart, kind, fold, role, is_step, help)                                   \
    METRIC(kind, fold, role, is_step, AXIS_CLASS, AXIS_NONE,                             \
           offsetof(struct telemetry, classes[0].field), sizeof(struct telemetry_class), 0)
#define HAK_METRIC_GHOST(field, name, group, unit, chart, kind, fold, role, is_step, help)                                   \
    METRIC(kind, fold, role, is_step, AXIS_CLASS, AXIS_CAPACITY,                         \
           offsetof(struct telemetry, ghosts[0].of_capacity[0].field), sizeof(struct telemetry_class_ghosts),            \
           sizeof(struct telemetry_ghost))
#define HAK_METRIC_BIG_SIZE(field, name, group, unit, chart, kind, fold, role, is_step, help)                                \
    METRIC(kind, fold, role, is_step, AXIS_BIG_SIZE, AXIS_NONE,                          \
           offsetof(struct telemetry, big_copies.of_size[0].field), sizeof(struct telemetry_big_size), 0)
#define HAK_METRIC_BIG_DELAY(field, name, group, unit, chart, kind, fold, role, is_step, help)                               \
    METRIC(kind, fold, role, is_step, AXIS_BIG_SIZE, AXIS_BIG_DELAY,                     \
           offsetof(struct telemetry, big_copies.of_size[0].of_delay[0].field), sizeof(struct telemetry_big_size),       \
           sizeof(struct telemetry_big_delay))
#define HAK_METRIC_SHARD(field, name, group, unit, chart, kind, fold, role, is_step, help)                                   \
    METRIC(kind, fold, role, is_step, AXIS_SHARD, AXIS_NONE,                             \
           offsetof(struct telemetry, shards[0].field), sizeof(struct telemetry_shard), 0)
#define HAK_METRIC_TIER(field, name, group, unit, chart, kind, fold, role, is_step, help)                                    \
    METRIC(kind, fold, role, is_step, AXIS_TIER, AXIS_NONE,                              \
           offsetof(struct telemetry, tiers[0].field), sizeof(struct telemetry_tier), 0)
#define HAK_DERIVED(kind, name, operand_a, operand_b, group, unit, chart, role, help)                                        \
    METRIC(kind, SUM, role, 0, AXIS_NONE, AXIS_NONE, 0, 0, 0)
#include "telemetry.def"
};
#define METRIC_COUNT (sizeof metric_facts / sizeof *metric_facts)

static const struct {
    const char *name, *operand_a, *operand_b;
} derived[] = {
#define HAK_DERIVED(kind, name, operand_a, operand_b, ...) {name, operand_a, operand_b},
#include "telemetry.def"
};

static const struct hak_axis_item axis_items[] = {
#define HAK_SIZE_CLASS(bytes, group, span_slabs) {#bytes " B", group},
#include "size_classes.def"
#undef HAK_SIZE_CLASS
    {"HOT", "HOT"},
    {"DRAINING", "DRAIN"},
    {"FREE", "FREE"},
#define HAK_ACTION(field, name, ...) {name, ""},
#include "actions.def"
#undef HAK_ACTION
    /* Capacities of ghosts. */
    {"16", "16"},   {"32", "32"},   {"64", "64"},     {"128", "128"},   {"256", "256"},
    {"512", "512"}, {"1024", "1024"}, {"2048", "2048"}, {"4096", "4096"},
    /* Bytes that copies of the BigCache keep, and for how many milliseconds: values of the tunables. */
#define BIG_SIZE(bytes) {#bytes, ""},
#define BIG_DELAY(ms) {#ms, ""},
#include "big_ladder.def"
};
#define FIRST_CAPACITY_ITEM (SIZE_CLASS_COUNT + TIER_COUNT + ACTION_COUNT)
#define FIRST_BIG_ITEM (FIRST_CAPACITY_ITEM + GHOST_COUNT)
_Static_assert(sizeof axis_items / sizeof *axis_items == FIRST_BIG_ITEM + BIG_SIZE_COUNT + BIG_DELAY_COUNT, "each row has its label");

static struct hak_axis axes[AXIS_COUNT] = {
    [AXIS_CLASS] = {"class", SIZE_CLASS_COUNT, SIZE_CLASS_COUNT, 0, SIZE_CLASS_COUNT},
    [AXIS_THREAD] = {"thread", TELEMETRY_MAX_THREADS, 1, 0, 0},
    [AXIS_SHARD] = {"shard", TELEMETRY_MAX_SHARDS, 0, 0, 0},
    [AXIS_TIER] = {"tier", TIER_COUNT, TIER_COUNT, SIZE_CLASS_COUNT, TIER_COUNT},
    [AXIS_ACTION] = {"action", ACTION_COUNT, ACTION_COUNT, SIZE_CLASS_COUNT + TIER_COUNT, ACTION_COUNT},
    [AXIS_CAPACITY] = {"capacity", GHOST_COUNT, 0, FIRST_CAPACITY_ITEM, GHOST_COUNT},
    [AXIS_BIG_SIZE] = {"big.max_bytes", BIG_SIZE_COUNT, 0, FIRST_BIG_ITEM, BIG_SIZE_COUNT},
    [AXIS_BIG_DELAY] = {"ss.purge_delay_ms", BIG_DELAY_COUNT, 0, FIRST_BIG_ITEM + BIG_SIZE_COUNT, BIG_DELAY_COUNT},
};

static const struct hak_event_kind event_kinds[] = {
#define HAK_EVENT(name, unit, is_capacity, axis, help) {#name, help, unit, is_capacity, AXIS_##axis},
#define HAK_CAUSE(name)
#include "events.def"
#undef HAK_EVENT
#undef HAK_CAUSE
};

static const struct hak_event_cause event_causes[] = {
#define HAK_EVENT(...)
#define HAK_CAUSE(name) {#name},
#include "events.def"
#undef HAK_EVENT
#undef HAK_CAUSE
};

static uint32_t metric_index(const struct hak_metric *metrics, const char *name)
{
    for (uint32_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return i;
    __builtin_trap(); /* telemetry.def names an operand that it does not define */
}

/* Copies a text and returns the start of the next one. A text that does not fit is an error of the table. */
static const char *unpack(const char *text, char *out, size_t bytes)
{
    size_t length = strlen(text) + 1;
    if (length > bytes)
        __builtin_trap();
    memcpy(out, text, length);
    return text + length;
}
static void check_end(const char *text, const char *texts, size_t bytes)
{
    if (text != texts + bytes - 1)
        __builtin_trap(); /* a kind of row is in one list and not in the other */
}

#define UNPACK(text, field) text = unpack(text, field, sizeof field)

static void name_variable(struct hak_tunable *tunable)
{
    static const char prefix[] = "HAKMEM_";
    char *out = tunable->environment;
    memcpy(out, prefix, sizeof prefix);
    out += sizeof prefix - 1;
    for (const char *c = tunable->name; *c; c++)
        *out++ = *c == '.' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    *out = 0;
}

static void describe_tunables(struct hak_tunable *tunable)
{
    const char *text = tunable_texts;
    for (unsigned i = 0; i < CONTROL_VALUE_COUNT; i++, tunable++) {
        UNPACK(text, tunable->name);
        UNPACK(text, tunable->group);
        UNPACK(text, tunable->unit);
        UNPACK(text, tunable->help);
        UNPACK(text, tunable->choices);
        tunable->type = tunable_facts[i].type;
        tunable->scale = tunable_facts[i].scale;
        tunable->effect = tunable_facts[i].effect;
        tunable->minimum = tunable_facts[i].minimum;
        tunable->maximum = tunable_facts[i].maximum;
        if (i < TUNABLE_COUNT) { /* not an action */
            tunable->default_value = settings_default((enum tunable)i);
            name_variable(tunable);
        }
    }
    check_end(text, tunable_texts, sizeof tunable_texts);
}

static void describe_metrics(struct hak_metric *metrics)
{
    const char *text = metric_texts;
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        struct hak_metric *metric = &metrics[i];
        UNPACK(text, metric->name);
        UNPACK(text, metric->group);
        UNPACK(text, metric->unit);
        UNPACK(text, metric->help);
        UNPACK(text, metric->chart);
        metric->kind = metric_facts[i].kind;
        metric->fold = metric_facts[i].fold;
        metric->role = metric_facts[i].role;
        metric->is_step = metric_facts[i].is_step;
        metric->offset = metric_facts[i].offset;
        for (unsigned k = 0; k < 2; k++) {
            metric->axis[k] = metric_facts[i].axis[k];
            metric->stride[k] = metric_facts[i].stride[k];
        }
    }
    check_end(text, metric_texts, sizeof metric_texts);
    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++) {
        struct hak_metric *metric = &metrics[metric_index(metrics, derived[i].name)];
        metric->operand_a = metric_index(metrics, derived[i].operand_a);
        metric->operand_b = metric_index(metrics, derived[i].operand_b);
    }
}

/* The pages of this file's constants, where layout.ld is used. */
extern const char constants_once_start[] __attribute__((weak, visibility("hidden")));
extern const char constants_once_end[] __attribute__((weak, visibility("hidden")));

bool control_start(void)
{
    double values[CONTROL_VALUE_COUNT] = {0};
    int access;
    settings_initial(values, &access);
    settings_store(values, true);
    const struct hak_range used[] = {
        {0, offsetof(struct telemetry, shards[FIRST_SHARD_ROWS])},
        {offsetof(struct telemetry, threads), sizeof(struct telemetry_thread)},
    };
    struct hak_block_spec spec = {
        .kind = control_serves_malloc ? "hakmem" : "hakmem-hak",
        .build = "hakmem " HAKMEM_VERSION " " HAK_COMPILER BUILD_DEFAULTS BUILD_CHECKS,
        .describe_tunables = describe_tunables,
        .describe_metrics = describe_metrics,
        .constraints = constraints,
        .axes = axes,
        .axis_items = axis_items,
        .event_kinds = event_kinds,
        .event_causes = event_causes,
        .tunable_count = CONTROL_VALUE_COUNT,
        .constraint_count = sizeof constraints / sizeof *constraints,
        .metric_count = METRIC_COUNT,
        .axis_count = AXIS_COUNT,
        .axis_item_count = sizeof axis_items / sizeof *axis_items,
        .event_kind_count = EVENT_KIND_COUNT,
        .event_cause_count = EVENT_CAUSE_COUNT,
        .data_bytes = sizeof(struct telemetry),
        .used = used,
        .used_count = sizeof used / sizeof *used,
        .event_capacity = EVENT_CAPACITY,
        .flags = HAK_BLOCK_KEEPS_LEASES |
                 (control_serves_malloc && control_serves_malloc() ? (uint32_t)HAK_BLOCK_SERVES_MALLOC : 0),
        .access = (enum hak_access)access,
        .initial_values = values,
    };
    if (hak_block_create(&control_block, &spec) != 0)
        return false;
    telemetry = (struct telemetry *)control_block.data;
    if (constants_once_start)
        os_forget_constants(constants_once_start, constants_once_end);
    atomic_store_explicit(&current_generation, control_generation(), memory_order_release);
    if (SETTING(log_capacity) || SETTING(log_acquire))
        event_log_open();
    return true;
}

void control_reset_locks(void)
{
    lock_reset(&settings_lock);
    event_log_reset_lock();
}

static uint32_t row_count(enum axis axis)
{
    return atomic_load_explicit(&control_block.axes[axis].count, memory_order_relaxed);
}

#define GHOST_BYTES (sizeof(struct telemetry) - offsetof(struct telemetry, ghosts))

/* Whether readers look at what ghosts count. AXIS_CAPACITY is the last to be shown, because control_show_ghosts asks it. */
static void set_ghost_rows(bool are_present)
{
    hak_block_set_axis_count(&control_block, AXIS_BIG_SIZE, are_present ? BIG_SIZE_COUNT : 0);
    hak_block_set_axis_count(&control_block, AXIS_BIG_DELAY, are_present ? BIG_DELAY_COUNT : 0);
    hak_block_set_axis_count(&control_block, AXIS_CAPACITY, are_present ? GHOST_COUNT : 0);
}

void control_after_fork(void)
{
    uint32_t shards = control_shard_rows() > FIRST_SHARD_ROWS ? control_shard_rows() : FIRST_SHARD_ROWS;
    bool has_ghosts = row_count(AXIS_CAPACITY) != 0;
    const struct hak_range used[] = {
        {0, offsetof(struct telemetry, shards[shards])},
        {offsetof(struct telemetry, threads), control_thread_rows() * sizeof(struct telemetry_thread)},
        {offsetof(struct telemetry, ghosts), GHOST_BYTES},
    };
    hak_block_after_fork(&control_block, used, has_ghosts ? 3 : 2, !os_is_confined());
    /* Another thread of the parent may have shown its ghosts meanwhile. Here they have no pages. */
    if (!has_ghosts && !os_is_confined() && control_block.header->pid == (uint32_t)SYSTEM_CALL(SYS_getpid))
        set_ghost_rows(false);
    event_log_after_fork();
}

void control_stop(void)
{
    event_log_flush(); /* prints the events since the last upkeep */
    if (!os_is_confined()) /* hak_block_end asks the system for the process's pid */
        hak_block_end(&control_block);
}

/* Publishes the settings in force and the counts of actions done. Called under settings_lock. */
static void publish_effective(uint64_t generation)
{
    double values[CONTROL_VALUE_COUNT];
    settings_load(values);
    for (unsigned i = 0; i < ACTION_COUNT; i++)
        values[TUNABLE_COUNT + i] = (double)actions[i].done;
    hak_block_publish_effective(&control_block, values, generation);
}

_Atomic bool control_lease_is_watched;

static bool is_lease_watched(void)
{
    return atomic_load_explicit(&control_lease_is_watched, memory_order_acquire);
}

uint64_t control_adopt(const struct actor *actor)
{
    uint64_t current = atomic_load_explicit(&current_generation, memory_order_acquire);
    if (control_generation() == current || (control_is_leased() && !is_lease_watched()))
        return current;
    lock_acquire(&settings_lock);
    current = atomic_load_explicit(&current_generation, memory_order_relaxed);
    double values[CONTROL_VALUE_COUNT];
    uint64_t requested;
    if (hak_block_copy_requested(&control_block, values, &requested) == 0 && requested != current) {
        settings_store(values, false);
        HAK_ASSERT(settings_is_valid());
        for (unsigned i = 0; i < ACTION_COUNT; i++)
            atomic_store_explicit(&actions[i].asked, (uint64_t)values[TUNABLE_COUNT + i], memory_order_relaxed);
        publish_effective(requested);
        event_append(actor, EVENT_TUNABLE_SET, CAUSE_TUNABLE, NO_ITEM, (double)current, (double)requested);
        current = requested;
        atomic_store_explicit(&current_generation, current, memory_order_release);
        if (SETTING(log_capacity) || SETTING(log_acquire))
            event_log_open();
    }
    lock_release(&settings_lock);
    return current;
}

uint64_t control_asked(enum action action)
{
    return atomic_load_explicit(&actions[action].asked, memory_order_relaxed);
}

bool control_begin_action(enum action action, uint64_t *asked)
{
    *asked = control_asked(action);
    uint64_t begun = atomic_load_explicit(&actions[action].begun, memory_order_relaxed);
    return begun != *asked && atomic_compare_exchange_strong_explicit(&actions[action].begun, &begun, *asked,
                                                                      memory_order_relaxed, memory_order_relaxed);
}

void control_end_action(const struct actor *actor, enum action action, uint64_t asked, uint64_t before, uint64_t after)
{
    event_append(actor, EVENT_ACTION, CAUSE_TUNABLE, (uint32_t)action, (double)before, (double)after);
    lock_acquire(&settings_lock);
    actions[action].done = asked;
    publish_effective(atomic_load_explicit(&current_generation, memory_order_relaxed));
    lock_release(&settings_lock);
}

bool control_request(enum tunable tunable, double value)
{
    double values[CONTROL_VALUE_COUNT];
    uint64_t generation;
    lock_acquire(&settings_lock);
    bool done = control_block.header && hak_block_copy_requested(&control_block, values, &generation) == 0;
    if (done) {
        values[tunable] = value;
        hak_block_request(&control_block, values, generation + 1);
    }
    lock_release(&settings_lock);
    return done;
}

bool control_set_shard_rows(uint32_t rows)
{
    if (rows > FIRST_SHARD_ROWS && !os_populate(telemetry->shards, rows * sizeof *telemetry->shards))
        return false;
    hak_block_set_axis_count(&control_block, AXIS_SHARD, rows);
    return true;
}

bool control_set_thread_rows(uint32_t rows)
{
    if (!os_populate(&telemetry->threads[rows - 1], sizeof *telemetry->threads))
        return false;
    hak_block_set_axis_count(&control_block, AXIS_THREAD, rows);
    return true;
}

/* Two threads may do this at the same time: both make the same pages present and store the same count. */
bool control_show_ghosts(void)
{
    if (row_count(AXIS_CAPACITY) != 0)
        return true;
    if (!os_populate(telemetry->ghosts, GHOST_BYTES))
        return false;
    set_ghost_rows(true);
    return true;
}

uint32_t control_shard_rows(void)
{
    return row_count(AXIS_SHARD);
}

uint32_t control_thread_rows(void)
{
    return row_count(AXIS_THREAD);
}
