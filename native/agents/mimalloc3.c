/* mimalloc3.c: mimalloc 3.4.3. */
#include "mimalloc.h"

enum { KNOWN_VERSION = 30403 };

/* What mi_stats_get fills: it refuses another size or version. Counts are three words: total, peak, current. */
enum { STATS_BYTES = 4368, STATS_VERSION = 5 };
enum {
    STATS_PAGES = 4,
    STATS_RESERVED = 7,
    STATS_COMMITTED = 10,
    STATS_PURGED = 12,
    STATS_PAGES_ABANDONED = 18,
    STATS_THREADS = 21
};
struct stats {
    int64_t word[STATS_BYTES / 8];
};

static bool (*mi_stats_get)(struct stats *stats);

static struct stats read_stats(void)
{
    struct stats stats = {.word = {STATS_BYTES, STATS_VERSION}};
    mi_stats_get(&stats);
    return stats;
}

#define SET_OPTION_KIB(number) (mi_option_set(number, (long)(value / 1024)), 0)
#define AGENT_BEGIN struct stats stats = read_stats();
#define AGENT_TABLE "mimalloc3.def"
#include "table.h"

static bool find(struct agent_found *found)
{
    struct stats stats = {.word = {STATS_BYTES, STATS_VERSION}};
    MI_FIND(mi_stats_get);
    if (find_mimalloc(found) != KNOWN_VERSION || !mi_stats_get)
        return false;
    found->has_metrics = mi_stats_get(&stats);
    return true;
}

const struct agent_allocator agent_mimalloc3 = AGENT_ALLOCATOR("mimalloc");
