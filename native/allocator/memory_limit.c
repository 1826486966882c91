/* memory_limit.c: finds the smallest limit of the cgroup and the groups above it in /sys/fs/cgroup, of version 1 or 2. */
#include "memory_limit.h"

#include "os.h"
#include "system_call.h"
#include "telemetry.h"

#include <fcntl.h>
#include <string.h>

#define NO_LIMIT INT64_MAX
#define STEP_BYTES (INT64_C(4) << 20)  /* near the limit, idle memory goes back each time so much was mapped */
#define LOOK_BYTES (INT64_C(8) << 20)  /* the limit is read again only after at least so much growth */
#define TEXT_BYTES 4096
#define PATH_BYTES 1024

static _Atomic int64_t limit_bytes = NO_LIMIT;
static _Atomic int64_t next_look_bytes = LOOK_BYTES;
static _Atomic int64_t mapped_since_trim_bytes;
static _Atomic uint32_t suspensions;

/* Reads a file as text, which is then terminated by NUL. Returns its length, or 0 if it cannot be read. */
static size_t read_text(const char *path, char *text, size_t bytes)
{
    long descriptor = SYSTEM_CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    long length = 0, got;
    if (descriptor < 0)
        return 0;
    while ((size_t)length + 1 < bytes &&
           (got = SYSTEM_CALL(SYS_read, descriptor, text + length, bytes - 1 - (size_t)length)) > 0)
        length += got;
    SYSTEM_CALL(SYS_close, descriptor);
    text[length] = 0;
    return (size_t)length;
}

/* Returns the number in a file of the folder, or NO_LIMIT if there is no file, or if it says "max" or a number that means
 * the same. */
static int64_t read_limit(char *folder, const char *name)
{
    char text[32];
    size_t used = strlen(folder);
    uint64_t value = 0;
    if (used + strlen(name) + 1 > PATH_BYTES)
        return NO_LIMIT;
    strcpy(folder + used, name);
    size_t length = read_text(folder, text, sizeof text);
    folder[used] = 0;
    if (length == 0 || text[0] < '0' || text[0] > '9')
        return NO_LIMIT;
    for (const char *digit = text; *digit >= '0' && *digit <= '9' && value < UINT64_MAX / 16; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    return value >= (uint64_t)NO_LIMIT / 2 ? NO_LIMIT : (int64_t)value;
}

/* Returns the smallest limit of a group and the groups above it. The hierarchy is mounted at `root`. */
static int64_t smallest_limit(const char *root, const char *group, size_t group_bytes, bool is_version_2)
{
    char folder[PATH_BYTES];
    size_t root_bytes = strlen(root);
    int64_t smallest = NO_LIMIT;
    if (root_bytes + group_bytes + 1 > sizeof folder)
        return NO_LIMIT;
    memcpy(folder, root, root_bytes);
    memcpy(folder + root_bytes, group, group_bytes);
    folder[root_bytes + group_bytes] = 0;
    for (;;) {
        int64_t limits[] = {read_limit(folder, is_version_2 ? "/memory.max" : "/memory.limit_in_bytes"),
                            is_version_2 ? read_limit(folder, "/memory.high") : NO_LIMIT};
        for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
            smallest = limits[i] < smallest ? limits[i] : smallest;
        if (strlen(folder) <= root_bytes)
            return smallest;
        *strrchr(folder, '/') = 0;
    }
}

static bool has_memory_controller(const char *controllers, size_t bytes)
{
    static const char name[] = "memory";
    size_t length = sizeof name - 1;
    for (size_t i = 0; i + length <= bytes; i++)
        if (memcmp(controllers + i, name, length) == 0 && (i == 0 || controllers[i - 1] == ',') &&
            (i + length == bytes || controllers[i + length] == ','))
            return true;
    return false;
}

/* A line of /proc/self/cgroup is "4:memory:/group" in version 1 and "0::/group" in version 2. */
static int64_t find_limit(void)
{
    char text[TEXT_BYTES];
    int64_t smallest = NO_LIMIT;
    read_text("/proc/self/cgroup", text, sizeof text);
    for (char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        line[length] = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/')
            continue;
        size_t controllers_bytes = (size_t)(group - controllers - 1);
        bool is_version_2 = controllers_bytes == 0;
        if (!is_version_2 && !has_memory_controller(controllers + 1, controllers_bytes))
            continue;
        const char *root = is_version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        size_t group_bytes = group[2] ? strlen(group + 1) : 0; /* the group "/" is the root itself */
        int64_t limit = smallest_limit(root, group + 1, group_bytes, is_version_2);
        smallest = limit < smallest ? limit : smallest;
    }
    return smallest;
}

static void look(int64_t committed_bytes)
{
    int64_t growth_bytes = committed_bytes / 8 > LOOK_BYTES ? committed_bytes / 8 : LOOK_BYTES;
    atomic_store_explicit(&next_look_bytes, committed_bytes + growth_bytes, memory_order_relaxed);
    if (!os_is_confined())
        atomic_store_explicit(&limit_bytes, find_limit(), memory_order_relaxed);
}

bool memory_limit_refuses(size_t bytes)
{
    int64_t more = bytes < (size_t)NO_LIMIT / 4 ? (int64_t)bytes : NO_LIMIT / 4;
    int64_t committed_bytes = (int64_t)telemetry_get(&telemetry->global.committed_bytes) + more;
    if (committed_bytes >= atomic_load_explicit(&next_look_bytes, memory_order_relaxed))
        look(committed_bytes);
    int64_t limit = atomic_load_explicit(&limit_bytes, memory_order_relaxed);
    bool is_near = limit != NO_LIMIT && committed_bytes > limit - limit / 8;
    if (is_near && atomic_load_explicit(&suspensions, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&mapped_since_trim_bytes, memory_order_relaxed) >= STEP_BYTES)
        return true;
    atomic_fetch_add_explicit(&mapped_since_trim_bytes, more, memory_order_relaxed);
    return false;
}

void memory_limit_note_trim(void)
{
    atomic_store_explicit(&mapped_since_trim_bytes, 0, memory_order_relaxed);
}

void memory_limit_suspend(void)
{
    atomic_fetch_add_explicit(&suspensions, 1, memory_order_relaxed);
}

void memory_limit_resume(void)
{
    atomic_fetch_sub_explicit(&suspensions, 1, memory_order_relaxed);
}
