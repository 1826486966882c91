/* table.h: makes an allocator's descriptors and functions from its table. An allocator's file defines AGENT_TABLE and
 * what the expressions of the table use, then includes this once and ends with
 * AGENT_ALLOCATOR, which takes its function `find`.
 *
 * AGENT_SETTING(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, environment, get, set,
 *               help)
 *   get  a double: the value now, AGENT_WRITE_ONLY or AGENT_ABSENT
 *   set  gives the allocator `value`; 0 or an error number
 * AGENT_START: the same without effect and set
 * AGENT_ACTION(field, name, group, run, help)   run: 0 or an error number
 * AGENT_METRIC(field, name, group, unit, chart, kind, role, get, help)   get: a word
 * AGENT_DERIVED(kind, field, name, operand_a, operand_b, group, unit, chart, help)   operands by field */
#include "agent.h"

#include <errno.h>

/* Takes effect at start only. */
#define AGENT_START(field, name, group, unit, type, scale, minimum, maximum, default, choices, environment, get, help) \
    AGENT_SETTING(field, name, group, unit, type, scale, START, minimum, maximum, default, choices, environment, get,  \
                  EPERM, help)
#define AGENT_ACTION(field, name, group, run, help)                                                                  \
    AGENT_SETTING(field, name, group, "", ACTION, LINEAR, LIVE, 0, 9007199254740992, 0, "", "", AGENT_WRITE_ONLY, run, \
                  help)

enum {
#define AGENT_SETTING(field, ...) SETTING_##field,
#define AGENT_METRIC(...)
#define AGENT_DERIVED(...)
#include AGENT_TABLE
#undef AGENT_SETTING
#undef AGENT_METRIC
#undef AGENT_DERIVED
    SETTING_COUNT
};

enum { METRIC_THREAD_ID, METRIC_ADOPTED, METRIC_BUSY_NS, COMMON_METRIC_COUNT, METRIC_BEFORE = COMMON_METRIC_COUNT - 1,
#define AGENT_SETTING(...)
#define AGENT_METRIC(field, ...) METRIC_##field,
#define AGENT_DERIVED(kind, field, ...) METRIC_##field,
#include AGENT_TABLE
#undef AGENT_METRIC
#undef AGENT_DERIVED
    METRIC_COUNT
};

static const struct hak_metric metrics[METRIC_COUNT] = {
    {"agent.thread_id", "Agent", "", "Kernel thread id of the agent's helper.", "", HAK_METRIC_GAUGE, HAK_FOLD_MAX,
     HAK_ROLE_THREAD_ID, 0, {0, HAK_NO_AXIS}, 0, 0, offsetof(struct agent_words, thread_id), {8, 0}},
    {"agent.adopted_generation", "Agent", "generation", "Generation of the settings that were given to the allocator.",
     "", HAK_METRIC_GAUGE, HAK_FOLD_MAX, HAK_ROLE_ADOPTED, 0, {0, HAK_NO_AXIS}, 0, 0,
     offsetof(struct agent_words, adopted), {8, 0}},
    {"agent.busy_ns", "Agent", "ns", "Processor time that the agent's helper has used.", "", HAK_METRIC_COUNTER,
     HAK_FOLD_SUM, HAK_ROLE_NONE, 0, {HAK_NO_AXIS, HAK_NO_AXIS}, 0, 0, offsetof(struct agent_words, busy_ns), {0, 0}},
#define AGENT_METRIC(field, name, group, unit, chart, kind, role, get, help)                                         \
    {name, group, unit, help, chart, HAK_METRIC_##kind, HAK_FOLD_SUM, HAK_ROLE_##role, 0, {HAK_NO_AXIS, HAK_NO_AXIS}, \
     0, 0, 8 * METRIC_##field, {0, 0}},
#define AGENT_DERIVED(kind, field, name, a, b, group, unit, chart, help)                                            \
    {name, group, unit, help, chart, HAK_METRIC_##kind, HAK_FOLD_SUM, HAK_ROLE_NONE, 0, {HAK_NO_AXIS, HAK_NO_AXIS}, \
     METRIC_##a, METRIC_##b, 0, {0, 0}},
#include AGENT_TABLE
#undef AGENT_METRIC
#undef AGENT_DERIVED
};

/* Called between AGENT_BEGIN and the end of the block, by which an allocator takes a snapshot of its own. */
#ifndef AGENT_BEGIN
#define AGENT_BEGIN
#endif

static void measure(_Atomic uint64_t *words)
{
    AGENT_BEGIN
#define AGENT_METRIC(field, name, group, unit, chart, kind, role, get, help)                                         \
    atomic_store_explicit(&words[METRIC_##field - COMMON_METRIC_COUNT], (uint64_t)(get), memory_order_relaxed);
#define AGENT_DERIVED(...)
#include AGENT_TABLE
#undef AGENT_METRIC
}

#undef AGENT_SETTING
#define AGENT_METRIC(...)

static const struct hak_tunable settings[SETTING_COUNT] = {
#define AGENT_SETTING(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, environment,  \
                      get, set, help)                                                                                \
    {name, group, unit, help, choices, environment, HAK_TYPE_##type, HAK_SCALE_##scale, HAK_EFFECT_##effect, 0, minimum, maximum,    \
     default},
#include AGENT_TABLE
#undef AGENT_SETTING
};

static double get_setting(uint32_t setting)
{
    switch (setting) {
#define AGENT_SETTING(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, environment,  \
                      get, set, help)                                                                                \
    case SETTING_##field:                                                                                            \
        return (get);
#include AGENT_TABLE
#undef AGENT_SETTING
    default:
        return AGENT_ABSENT;
    }
}

static int set_setting(uint32_t setting, double value)
{
    switch (setting) {
#define AGENT_SETTING(field, name, group, unit, type, scale, effect, minimum, maximum, default, choices, environment,  \
                      get, set, help)                                                                                \
    case SETTING_##field:                                                                                            \
        return (set);
#include AGENT_TABLE
#undef AGENT_SETTING
    default:
        return ENOENT;
    }
}

#define AGENT_ALLOCATOR(name)                                                                                        \
    {                                                                                                                \
        .kind = name, .settings = settings, .metrics = metrics, .setting_count = SETTING_COUNT,                      \
        .metric_count = METRIC_COUNT, .find = find, .get = get_setting, .set = set_setting, .measure = measure       \
    }
