/* agent.c: the blocks of this process's allocators, from its start to its end. */
#include "agent.h"

#include "find.h"
#include "own_symbol.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "system_call.h"
#include "writer_group.h"
#include "system_clock.h"

enum { EVENT_CAPACITY = 256 };

static const struct agent_allocator *const allocators[] = {
    &agent_jemalloc,  &agent_jemalloc_rjem, &agent_jemalloc_je, &agent_tcmalloc,
    &agent_mimalloc2, &agent_mimalloc3,     &agent_glibc};
enum { ALLOCATOR_COUNT = sizeof allocators / sizeof *allocators };

static struct agent agents[ALLOCATOR_COUNT];
static int agent_count; /* of `agents`; written by the constructor alone */

/* ---- the block ------------------------------------------------------------------------------ */

enum axis { AXIS_THREAD, AXIS_SETTING, AXIS_COUNT };

static const struct hak_event_kind event_kinds[AGENT_EVENT_COUNT] = {
    [AGENT_EVENT_SET] = {"TUNABLE_SET", "A setting was given to the allocator.", "", 0, AXIS_SETTING},
    [AGENT_EVENT_REFUSED] = {"TUNABLE_REFUSED", "The allocator refused a setting; the cause is its error.", "", 1,
                             AXIS_SETTING},
    [AGENT_EVENT_ACTION] = {"ACTION", "An action was done; the values are the process's resident bytes before and after.",
                            "bytes", 0, AXIS_SETTING},
};

/* By the error of the allocator's function; others are REFUSED. */
static const struct {
    int error;
    struct hak_event_cause cause;
} refusals[] = {{0, {"READER"}},        {-1, {"REFUSED"}},      {EINVAL, {"INVALID_VALUE"}}, {EPERM, {"NOT_PERMITTED"}},
                {ENOENT, {"UNKNOWN"}},  {EAGAIN, {"TRY_AGAIN"}}, {EFAULT, {"NOT_POSSIBLE"}}};
enum { CAUSE_REFUSED = 1, CAUSE_COUNT = sizeof refusals / sizeof *refusals };

void agent_append_event(struct agent *agent, enum agent_event kind, uint32_t index, double before, double after,
                        int error)
{
    uint16_t cause = CAUSE_REFUSED;
    for (uint16_t i = 0; i < CAUSE_COUNT; i++)
        if (refusals[i].error == error)
            cause = i;
    struct hak_event event = {.time_ns = system_clock_ns(CLOCK_MONOTONIC),
                              .old_value = before,
                              .new_value = after,
                              .thread = (uint32_t)SYSTEM_CALL(SYS_gettid),
                              .kind = (uint16_t)kind,
                              .cause = cause,
                              .item = index};
    hak_block_append_event(&agent->block, &event);
}

double agent_read(const struct agent *agent, uint32_t index)
{
    double value = agent->allocator->get(agent->setting[index]);
    return isfinite(value) ? value : agent->effective[index];
}

enum hak_access agent_read_access(void)
{
    const char *text = getauxval(AT_SECURE) ? "off" : getenv("HAKMEM_CONTROL");
    if (text && strcmp(text, "off") == 0)
        return HAK_ACCESS_OFF;
    return text && strcmp(text, "read") == 0 ? HAK_ACCESS_READ : HAK_ACCESS_WRITE;
}

/* What the environment says of a setting that cannot be read; its default if nothing. hak_block.h has the form. */
static double read_environment(const struct hak_tunable *tunable)
{
    char name[sizeof tunable->environment] = "";
    size_t length = strspn(tunable->environment, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    memcpy(name, tunable->environment, length);
    const char *separator = tunable->environment + length, *text = length ? getenv(name) : NULL;
    for (; text; text = strchr(text, *separator), text += text != NULL) {
        const char *key = *separator ? separator + 1 : "";
        char *end;
        if (strncmp(text, key, strlen(key)) == 0) {
            double value = (double)strtoll(text + strlen(key), &end, 0);
            if (end != text + strlen(key) && value >= tunable->minimum && value <= tunable->maximum)
                return value;
        }
        if (!*separator)
            break;
    }
    return tunable->default_value;
}

struct group_values {
    const struct hak_tunable *tunables;
    uint32_t count;
    double *values;
};

static void take_group_line(void *context, const char *line)
{
    const struct group_values *group = context;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct hak_tunable *tunable = &group->tunables[i];
        size_t length = strlen(tunable->name);
        if (strncmp(line, tunable->name, length) != 0 || line[length] != '=')
            continue;
        double value = strtod(line + length + 1, NULL);
        if (value >= tunable->minimum && value <= tunable->maximum)
            group->values[i] = value;
    }
}

/* Only the settings that this build of the allocator has. */
static bool publish(struct agent *agent, const struct agent_found *found)
{
    static struct hak_tunable tunables[AGENT_MOST_SETTINGS];
    static struct hak_axis_item items[AGENT_MOST_SETTINGS];
    const struct agent_allocator *allocator = agent->allocator;
    const enum hak_access access = agent_read_access();
    uint32_t count = 0;
    for (uint32_t i = 0; i < allocator->setting_count && count < AGENT_MOST_SETTINGS; i++) {
        double value = allocator->get(i);
        if (value == AGENT_ABSENT)
            continue;
        tunables[count] = allocator->settings[i];
        agent->is_action[count] = tunables[count].type == HAK_TYPE_ACTION;
        if (value == AGENT_WRITE_ONLY && !agent->is_action[count])
            tunables[count].flags = HAK_TUNABLE_WRITE_ONLY;
        agent->setting[count] = (uint8_t)i;
        agent->effective[count] = isfinite(value) ? value : read_environment(&tunables[count]);
        snprintf(items[count].label, sizeof items->label, "%.23s", tunables[count].name);
        count++;
    }
    agent->setting_count = count;
    const struct hak_axis axes[AXIS_COUNT] = {{.name = "thread", .maximum = 1, .count = 1},
                                              {.name = "setting", .maximum = count, .count = count, .item_count = count}};
    const struct hak_range used = {0, agent_data_bytes(agent)};
    struct hak_event_cause causes[CAUSE_COUNT];
    for (int i = 0; i < CAUSE_COUNT; i++)
        causes[i] = refusals[i].cause;
    const struct hak_block_spec spec = {
        .kind = allocator->kind,
        .build = found->build,
        .tunables = tunables,
        .metrics = allocator->metrics,
        .axes = axes,
        .axis_items = items,
        .event_kinds = event_kinds,
        .event_causes = causes,
        .tunable_count = count,
        .metric_count = found->has_metrics ? allocator->metric_count : 0,
        .axis_count = AXIS_COUNT,
        .axis_item_count = count,
        .event_kind_count = AGENT_EVENT_COUNT,
        .event_cause_count = CAUSE_COUNT,
        .data_bytes = agent_data_bytes(agent),
        .used = &used,
        .used_count = 1,
        .event_capacity = EVENT_CAPACITY,
        .access = access == HAK_ACCESS_WRITE && !found->is_known ? HAK_ACCESS_READ : access,
        .flags = (found->serves_malloc ? HAK_BLOCK_SERVES_MALLOC : 0) | (found->is_known ? 0 : HAK_BLOCK_UNKNOWN_VERSION) |
                 HAK_BLOCK_KEEPS_LEASES,
        .is_on_demand = 1,
        .initial_values = agent->effective,
    };
    if (hak_block_create(&agent->block, &spec) != 0)
        return false;
    agent->generation = hak_block_generation(&agent->block);
    double values[AGENT_MOST_SETTINGS];
    memcpy(values, agent->effective, sizeof values);
    const char *group = getenv(HAK_GROUP_VARIABLE);
    if (group && !getauxval(AT_SECURE))
        hak_read_group(group, take_group_line, &(struct group_values){tunables, count, values});
    if (memcmp(values, agent->effective, count * sizeof *values) != 0) /* the helper sets them when it starts */
        hak_block_request(&agent->block, values, agent->generation + 1);
    return agent->block.path[0] != 0; /* nobody can look into one without a file */
}

/* ---- the process ---------------------------------------------------------------------------- */

/* What a person should know, a line each: why an allocator has no block, or what its block cannot do. */
static char told[1024];

static void tell(const char *const texts[])
{
    const char *limit = told + sizeof told - 1;
    char *end = told + strlen(told);
    if (end > told)
        *end++ = '\n';
    for (; *texts && end < limit; texts++)
        end = stpncpy(end, *texts, (size_t)(limit - end));
    *end = 0;
}
#define TELL(...) tell((const char *const[]){__VA_ARGS__, NULL})

static void explain(const struct hak_block *block)
{
    char text[400];
    hak_block_explain(block, text, sizeof text);
    TELL("no control block: ", text);
}

/* A name to tell this copy of the library from another. */
AGENT_EXPORT const char *hak_agent_build(void)
{
    return HAK_COMPILER;
}

static bool is_needed(void)
{
    if (!is_own_symbol(find_symbol("hak_agent_build"))) {
        TELL("another agent is in this process already; this one does nothing");
        return false;
    }
    if (find_serves(find_symbol("hak_control_path"))) {
        TELL("hakmem serves this process and has a control block of its own; the agent does nothing");
        return false;
    }
    return true;
}

static void start_agents(void)
{
    const char *unknown = "";
    struct agent_found found;
    bool is_served = false;
    system_clock_start();
    if (!is_needed())
        return;
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        struct agent *agent = &agents[agent_count];
        found = (struct agent_found){0};
        if (!allocators[i]->find(&found)) {
            if (*found.build)
                unknown = "this version of it is not known, ";
            continue;
        }
        if (!found.is_known)
            TELL("nobody may set anything: this version is not known, ", found.build);
        is_served |= found.serves_malloc;
        agent->allocator = allocators[i];
        if (publish(agent, &found))
            agent_count++;
        else
            explain(&agent->block);
    }
    if (!is_served)
        TELL(agent_count ? "malloc itself is not tuned: " : "no allocator to tune here: ", unknown, "malloc comes from ", find_server(),
             find_is_stripped() ? ", which was stripped of the names of its functions" : "");
}

/* That was started; 0: none yet. Its children have blocks to make, and no helpers yet. Relaxed: it changes before the
 * program has threads, or by the thread that asks for the agent. */
static _Atomic pid_t process;

const char *agent_start(void)
{
    pid_t own = (pid_t)SYSTEM_CALL(SYS_getpid), former = atomic_load_explicit(&process, memory_order_relaxed);
    if (own == former)
        return told;
    if (former == 0)
        start_agents();
    else
        helper_forget();
    for (int i = 0; i < agent_count; i++) {
        agents[i].is_child = former != 0;
        if (!helper_start(&agents[i]) && former == 0) {
            hak_block_retire(&agents[i].block);
            TELL("no control block: the system gives no thread to serve it");
        }
    }
    atomic_store_explicit(&process, own, memory_order_relaxed);
    return told;
}

AGENT_EXPORT const char *hak_agent_start(void)
{
    return agent_start();
}

void agent_after_fork(void)
{
    if (atomic_load_explicit(&process, memory_order_relaxed) != 0)
        agent_start();
}

bool agent_pause(void)
{
    return atomic_load_explicit(&process, memory_order_relaxed) == (pid_t)SYSTEM_CALL(SYS_getpid) && helpers_stop();
}

__attribute__((destructor)) static void end(void)
{
    for (int i = 0; i < agent_count; i++)
        hak_block_end(&agents[i].block);
}
