/* schedule.c: sets tunables of the process's own allocator at counts of operations. Allocates nothing. */
#include "schedule.h"
#include "hak_reader.h"
#include "workload.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MOST_TUNABLES 512u

static struct {
    const struct workload_change *changes;
    uint32_t count, next, lanes;
    bool is_open;
    struct hak_reader reader;
} schedule;

int schedule_open(const struct workload_change *changes, uint32_t count, uint32_t lanes, const char *session_path,
                  const char *kind, char *error)
{
    char path[256], reason[HAK_ERROR_TEXT_BYTES];
    schedule.changes = changes;
    schedule.count = count;
    schedule.next = 0;
    schedule.lanes = lanes;
    schedule.is_open = false;
    if (count == 0)
        return 0;
    /* The name is <pid>.<start>.workload; that of the allocator's control block has another ending. */
    const char *dot = strrchr(session_path, '.');
    if (dot == NULL) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "--change needs control blocks, and /dev/shm has no room for one");
        return -1;
    }
    snprintf(path, sizeof path, "%.*s.%.15s", (int)(dot - session_path), session_path, kind);
    if (hak_reader_open(&schedule.reader, path, reason) != HAK_OK) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "--change needs an allocator with a control block of kind %.15s: %.160s",
                 kind, reason);
        return -1;
    }
    schedule.is_open = true;
    return 0;
}

void schedule_close(void)
{
    if (schedule.is_open)
        hak_reader_close(&schedule.reader);
    schedule.is_open = false;
}

uint64_t schedule_next(void)
{
    if (schedule.next == schedule.count)
        return SCHEDULE_NEVER;
    return schedule.changes[schedule.next].at_operations / schedule.lanes;
}

/* Returns the index of a tunable, or -1. */
static int find_tunable(const char *name, char *reason)
{
    struct hak_tunable tunable;
    for (uint32_t i = 0; hak_reader_tunable(&schedule.reader, i, &tunable, reason) == HAK_OK; i++)
        if (strcmp(tunable.name, name) == 0)
            return (int)i;
    snprintf(reason, HAK_ERROR_TEXT_BYTES, "there is no tunable %s", name);
    return -1;
}

/* Makes all changes of the next set, or none. */
static int apply_set(char *reason)
{
    uint32_t index[MOST_TUNABLES], count = 0, set = schedule.changes[schedule.next].set;
    double values[MOST_TUNABLES];
    uint64_t generation;
    for (; schedule.next < schedule.count && schedule.changes[schedule.next].set == set; schedule.next++) {
        const struct workload_change *change = &schedule.changes[schedule.next];
        int found = find_tunable(change->name, reason);
        if (found < 0 || count == MOST_TUNABLES)
            return -1;
        index[count] = (uint32_t)found;
        values[count++] = change->value;
    }
    return hak_reader_set(&schedule.reader, index, values, count, &generation, reason) == HAK_OK ? 0 : -1;
}

int schedule_apply(uint64_t lane_operations, char *error)
{
    while (schedule_next() <= lane_operations) {
        uint64_t at = schedule.changes[schedule.next].at_operations;
        char reason[HAK_ERROR_TEXT_BYTES] = "";
        if (apply_set(reason) == 0)
            continue;
        snprintf(error, WORKLOAD_ERROR_BYTES / 2, "--change at %llu operations: %.90s", (unsigned long long)at, reason);
        return -1;
    }
    return 0;
}
