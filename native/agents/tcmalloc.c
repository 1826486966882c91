/* tcmalloc.c: gperftools' tcmalloc. */
#include "agent.h"
#include "find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int (*get_property)(const char *name, size_t *value);
static int (*set_property)(const char *name, size_t value);
static void (*release_free_memory)(void);
/* tcmalloc reads the flag as it frees pages, without a lock, so each access here is one instruction. */
static uint64_t *release_rate;

static double get(const char *name)
{
    size_t value = 0;
    return get_property(name, &value) ? (double)value : AGENT_ABSENT;
}

static int set(const char *name, double value)
{
    return set_property(name, (size_t)value) ? 0 : EINVAL;
}

static double get_release_rate(void)
{
    if (!release_rate)
        return AGENT_ABSENT;
    uint64_t word = __atomic_load_n(release_rate, __ATOMIC_RELAXED);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static int set_release_rate(double value)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    __atomic_store_n(release_rate, word, __ATOMIC_RELAXED);
    return 0;
}

#define GET(name) get(name)
#define SET(name) set(name, value)
#define AGENT_TABLE "tcmalloc.def"
#include "table.h"

static bool find(struct agent_found *found)
{
    static const char flag[] = "_ZN62FLAG__namespace_do_not_use_directly_use_DECLARE_double_instead"
                               "27FLAGS_tcmalloc_release_rateE";
    const char *(*tc_version)(int *major, int *minor, const char **patch);
    const char *patch = NULL;
    int major = 0, minor = 0;
    FIND_FUNCTION(tc_version, "tc_version");
    FIND_FUNCTION(get_property, "MallocExtension_GetNumericProperty");
    FIND_FUNCTION(set_property, "MallocExtension_SetNumericProperty");
    FIND_FUNCTION(release_free_memory, "MallocExtension_ReleaseFreeMemory");
    if (!tc_version || !find_serves((const void *)tc_version) || !get_property || !set_property || !release_free_memory)
        return false;
    release_rate = find_symbol(flag);
    /* Its name holds the version; major and minor are 0 in Debian's. */
    snprintf(found->build, sizeof found->build, "%s", tc_version(&major, &minor, &patch));
    found->is_known = strncmp(found->build, "gperftools 2.", 13) == 0;
    found->has_metrics = found->serves_malloc = true;
    return true;
}

const struct agent_allocator agent_tcmalloc = AGENT_ALLOCATOR("tcmalloc");
