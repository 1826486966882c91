/* jemalloc.h: jemalloc 5 under one prefix of its names. A process may have several, each with a control block: the one
 * that serves malloc, and those that Rust programs (_rjem_) and others (je_) keep to themselves. A file for each
 * defines
 *
 *   JEMALLOC_PREFIX, JEMALLOC_KIND, JEMALLOC_CONF   the beginning of its functions' names, the kind of its block, and
 *                                                   the variable that it reads
 *
 * then includes this and ends with AGENT_ALLOCATOR(JEMALLOC_KIND). */
#include "agent.h"
#include "find.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>

static int (*mallctl)(const char *name, void *old_value, size_t *old_bytes, void *new_value, size_t new_bytes);

enum { NAME_BYTES = 64 };

/* Every type of a value is a signed number, or one that fits it; the machine is little-endian. */
static double get(const char *name, size_t bytes)
{
    int64_t value = 0;
    size_t got = bytes;
    return mallctl(name, &value, &got, NULL, 0) == 0 && got == bytes ? (double)value : AGENT_ABSENT;
}

/* A count of this build's, or 0. */
static uint64_t get_statistic(const char *name, size_t bytes)
{
    double value = get(name, bytes);
    return value == AGENT_ABSENT ? 0 : (uint64_t)value;
}

static int set(const char *name, size_t bytes, double value)
{
    int64_t word = (int64_t)value;
    return mallctl(name, NULL, NULL, &word, bytes);
}

/* The index of the first arena in use from `from` on, and a name of it; -1 after the last. */
static int next_arena(int from, const char *suffix, char name[NAME_BYTES])
{
    for (double count = get("arenas.narenas", sizeof(unsigned)); from < count; from++) {
        snprintf(name, NAME_BYTES, "arena.%d.initialized", from);
        if (get(name, sizeof(bool)) == 1) {
            snprintf(name, NAME_BYTES, "arena.%d.%s", from, suffix);
            return from;
        }
    }
    return -1;
}

/* The index of a text among choices. */
static double get_choice(const char *name, const char *choices)
{
    const char *text = NULL, *choice = choices;
    size_t got = sizeof text;
    if (mallctl(name, &text, &got, NULL, 0) != 0 || !text)
        return AGENT_ABSENT;
    for (int i = 0; choice; i++, choice = strchr(choice, ','), choice += choice != NULL)
        if (strcspn(choice, ",") == strlen(text) && memcmp(choice, text, strlen(text)) == 0)
            return i;
    return AGENT_ABSENT;
}

static double get_arenas(const char *suffix, size_t bytes)
{
    char name[NAME_BYTES];
    return next_arena(0, suffix, name) >= 0 ? get(name, bytes) : AGENT_ABSENT;
}

static int set_arenas(const char *suffix, size_t bytes, double value)
{
    char name[NAME_BYTES];
    int error = 0;
    for (int arena = -1; !error && (arena = next_arena(arena + 1, suffix, name)) >= 0;)
        error = set(name, bytes, value);
    return error;
}

/* Statistics are those of the last epoch. */
static void begin_epoch(void)
{
    uint64_t epoch = 1;
    mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
}

#define ALL "stats.arenas.4096." /* the sums over all arenas */
#define GET(name, type) get(name, sizeof(type))
#define STAT(name, type) get_statistic(name, sizeof(type))
#define SET(name, type) set(name, sizeof(type), value)
#define GET_ARENAS(suffix, type) get_arenas(suffix, sizeof(type))
#define SET_ARENAS(suffix, type) set_arenas(suffix, sizeof(type), value)
#define PERCPU "disabled,percpu,phycpu"
#define RUN(name) mallctl(name, NULL, NULL, NULL, 0)
#define AGENT_BEGIN begin_epoch();
#define AGENT_TABLE "jemalloc.def"
#include "table.h"

static bool find(struct agent_found *found)
{
    const char *version = "";
    size_t bytes = sizeof version;
    void *address = find_program_symbol(JEMALLOC_PREFIX "mallctl");
    found->serves_malloc = find_serves(address);
    if (!address || (!*JEMALLOC_PREFIX && !found->serves_malloc)) /* the plain name may be there for nobody to use */
        return false;
    memcpy(&mallctl, &address, sizeof address);
    if (mallctl("version", &version, &bytes, NULL, 0) != 0)
        return false;
    /* "5.3.0-0-g54eaed1d...": the commit adds nothing. */
    snprintf(found->build, sizeof found->build, "jemalloc %.*s", (int)strcspn(version, "-"), version);
    found->is_known = strncmp(version, "5.", 2) == 0;
    found->has_metrics = get("config.stats", sizeof(bool)) == 1;
    return true;
}
