/* pond.c: a second tunable allocator, as small as one can be. It passes calls on to the C library, and publishes
 * a control block of its own: another kind, other tunables, other metrics, and start settings in one variable,
 * POND_CONF="depth=8;fish=carp". */
#include "writer.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH, FISH, SHORE, IS_DEEP, TUNABLES };
enum { CALLS_A_LOOK = 64, EVENTS = 64 };

struct data {
    _Atomic uint64_t calls, free_bytes;
};

static const struct hak_tunable tunables[TUNABLES] = {
    [DEPTH] = {.name = "pond.depth",
               .group = "Water",
               .unit = "blocks",
               .help = "How deep it is.",
               .environment = "POND_CONF;depth=",
               .minimum = 1,
               .maximum = 64,
               .default_value = 4},
    [FISH] = {.name = "pond.fish",
              .group = "Water",
              .help = "What swims in it.",
              .choices = "pike,carp",
              .environment = "POND_CONF;fish=",
              .type = HAK_TYPE_CHOICE,
              .maximum = 1},
    [SHORE] = {.name = "pond.shore",
               .group = "Land",
               .unit = "bytes",
               .help = "How far the land is.",
               .environment = "POND_CONF;shore=",
               .effect = HAK_EFFECT_START,
               .minimum = 1024,
               .maximum = 65536,
               .default_value = 4096},
    [IS_DEEP] = {.name = "pond.frozen",
                 .group = "Water",
                 .help = "Whether there is ice.",
                 .environment = "POND_CONF;ice=no|yes",
                 .type = HAK_TYPE_BOOL,
                 .maximum = 1},
};

#define NO_AXES {HAK_NO_AXIS, HAK_NO_AXIS}
static const struct hak_metric metrics[] = {
    {.name = "pond.calls",
     .group = "Water",
     .unit = "operations",
     .help = "Calls of malloc.",
     .chart = "Ripples",
     .kind = HAK_METRIC_COUNTER,
     .role = HAK_ROLE_OPERATIONS,
     .axis = NO_AXES,
     .offset = offsetof(struct data, calls)},
    {.name = "pond.free_bytes",
     .group = "Water",
     .unit = "bytes",
     .help = "Memory that waits.",
     .chart = "Reserve",
     .kind = HAK_METRIC_GAUGE,
     .role = HAK_ROLE_CACHED,
     .axis = NO_AXES,
     .offset = offsetof(struct data, free_bytes)},
};
static const struct hak_event_kind event_kinds[] = {{.name = "RAIN", .help = "A value was taken up.", .axis = HAK_NO_AXIS}};
static const struct hak_event_cause event_causes[] = {{.name = "set"}};

static struct hak_block block;
static struct data *data;
static _Atomic uint64_t generation = 1;
static atomic_flag is_adopting = ATOMIC_FLAG_INIT;

extern void *__libc_malloc(size_t bytes);

static void read_settings(double *values)
{
    char text[256] = "", *rest = text, *item;
    const char *given = getenv("POND_CONF");
    for (int i = 0; i < TUNABLES; i++)
        values[i] = tunables[i].default_value;
    strncpy(text, given ? given : "", sizeof text - 1);
    while ((item = strsep(&rest, ";")) != NULL) {
        if (strncmp(item, "depth=", 6) == 0)
            values[DEPTH] = atof(item + 6);
        else if (strncmp(item, "fish=", 5) == 0)
            values[FISH] = strcmp(item + 5, "carp") == 0;
        else if (strncmp(item, "shore=", 6) == 0)
            values[SHORE] = atof(item + 6);
        else if (strncmp(item, "ice=", 4) == 0)
            values[IS_DEEP] = strcmp(item + 4, "yes") == 0;
    }
}

__attribute__((constructor)) static void publish(void)
{
    static const struct hak_range used = {0, sizeof(struct data)};
    double values[TUNABLES];
    read_settings(values);
    const struct hak_block_spec spec = {.kind = "pond",
                                        .build = "7.1",
                                        .tunables = tunables,
                                        .tunable_count = TUNABLES,
                                        .metrics = metrics,
                                        .metric_count = sizeof metrics / sizeof *metrics,
                                        .event_kinds = event_kinds,
                                        .event_kind_count = 1,
                                        .event_causes = event_causes,
                                        .event_cause_count = 1,
                                        .data_bytes = sizeof(struct data),
                                        .used = &used,
                                        .used_count = 1,
                                        .event_capacity = EVENTS,
                                        .access = HAK_ACCESS_WRITE,
                                        .initial_values = values};
    if (hak_block_create(&block, &spec) == 0) {
        atomic_store(&((struct data *)block.data)->free_bytes, (uint64_t)values[DEPTH] * 1024);
        data = (struct data *)block.data;
    }
}

__attribute__((destructor)) static void end(void)
{
    if (data != NULL)
        hak_block_end(&block);
}

static void adopt(void)
{
    double values[TUNABLES];
    uint64_t latest;
    if (hak_block_generation(&block) == atomic_load(&generation) || atomic_flag_test_and_set(&is_adopting))
        return;
    if (hak_block_copy_requested(&block, values, &latest) == 0) {
        hak_block_publish_effective(&block, values, latest);
        atomic_store(&data->free_bytes, (uint64_t)values[DEPTH] * 1024);
        atomic_store(&generation, latest);
    }
    atomic_flag_clear(&is_adopting);
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    if (data != NULL && atomic_fetch_add(&data->calls, 1) % CALLS_A_LOOK == 0)
        adopt();
    return __libc_malloc(bytes);
}
