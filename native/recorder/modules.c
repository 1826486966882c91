/* modules.c: copies /proc/self/maps into the spool. */
#include "modules.h"

#include "spool_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A copy takes some tens of microseconds. The limit is for programs that generate code while they run. */
#define MAXIMUM_COPIES 1000u

static bool is_known_locked(uint64_t address)
{
    for (uint32_t i = 0; i < recording->range_count; i++)
        if (address >= recording->ranges[i].start && address < recording->ranges[i].end)
            return true;
    return false;
}

static const char *read_hex(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (;; text++) {
        if (*text >= '0' && *text <= '9')
            value = value << 4 | (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value << 4 | (uint64_t)(*text - 'a' + 10);
        else
            break;
    }
    *out = value;
    return text;
}

/* Notes the range of a line, which begins "START-END rwxp ", if it is executable. */
static void learn_line_locked(const char *line)
{
    struct address_range range;
    const char *at = read_hex(line, &range.start);
    if (*at != '-')
        return;
    at = read_hex(at + 1, &range.end);
    if (*at == ' ' && at[3] == 'x' && recording->range_count < RECORDING_RANGES)
        recording->ranges[recording->range_count++] = range;
}

/* Reads /proc/self/maps piece by piece, appends each piece to the spool, and notes the ranges in its lines. */
static void copy_maps_locked(void)
{
    char buffer[4096], line[64];
    size_t length = 0;
    int maps = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (maps < 0)
        return;
    recording->range_count = 0;
    int marked = snprintf(buffer, sizeof buffer, "@%u\n", recording->map_copies);
    spool_files_append_maps(recording, buffer, (size_t)marked);
    long got;
    while ((got = syscall(SYS_read, maps, buffer, sizeof buffer)) > 0) {
        spool_files_append_maps(recording, buffer, (size_t)got);
        for (long i = 0; i < got; i++) {
            if (buffer[i] == '\n') {
                line[length] = 0;
                learn_line_locked(line);
                length = 0;
            } else if (length < sizeof line - 1) {
                line[length++] = buffer[i];
            }
        }
    }
    syscall(SYS_close, maps);
    recording->map_copies++;
}

uint32_t modules_learn(uint64_t call_site)
{
    uint32_t copies = 0;
    recording_lock();
    if (!is_known_locked(call_site) && recording->map_copies < MAXIMUM_COPIES) {
        copy_maps_locked();
        copies = recording->map_copies;
    }
    recording_unlock();
    return copies;
}

uint32_t modules_forget(void)
{
    recording_lock();
    recording->range_count = 0;
    for (uint32_t i = 0; i < RECORDING_SITE_SLOTS; i++)
        atomic_store_explicit(&recording->known_sites[i], 0, memory_order_relaxed);
    uint32_t copies = recording->map_copies;
    recording_unlock();
    return copies;
}
