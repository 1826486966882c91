/* mimalloc2.c: mimalloc 2.0.9. */
#include "mimalloc.h"

enum { KNOWN_VERSION = 209 };

static void (*mi_process_info)(size_t *elapsed_ms, size_t *user_ms, size_t *system_ms, size_t *current_rss,
                               size_t *peak_rss, size_t *current_commit, size_t *peak_commit, size_t *page_faults);

struct process_info {
    size_t elapsed_ms, user_ms, system_ms, current_rss, peak_rss, current_commit, peak_commit, page_faults;
};

static struct process_info read_info(void)
{
    struct process_info info;
    mi_process_info(&info.elapsed_ms, &info.user_ms, &info.system_ms, &info.current_rss, &info.peak_rss,
                    &info.current_commit, &info.peak_commit, &info.page_faults);
    return info;
}

#define AGENT_BEGIN struct process_info info = read_info();
#define AGENT_TABLE "mimalloc2.def"
#include "table.h"

static bool find(struct agent_found *found)
{
    MI_FIND(mi_process_info);
    return find_mimalloc(found) == KNOWN_VERSION && mi_process_info;
}

const struct agent_allocator agent_mimalloc2 = AGENT_ALLOCATOR("mimalloc");
