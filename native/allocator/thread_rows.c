/* thread_rows.c: hands out rows, retires them and reuses them, under one lock. */
#include "thread_rows.h"

#include "control.h"
#include "lock.h"
#include "os.h"

#include <string.h>

static struct lock rows_lock;
static uint32_t rows_in_use = 1; /* the highest row ever taken + 1 */
static uint32_t lowest_free = 1;

static bool is_shared(const struct telemetry_thread *row)
{
    return row >= telemetry->threads && row < telemetry->threads + TELEMETRY_MAX_THREADS;
}

struct telemetry_thread *thread_rows_acquire(uint32_t thread_id, struct telemetry_thread **spare)
{
    struct telemetry_thread *row = NULL;
    lock_acquire(&rows_lock);
    for (uint32_t i = lowest_free; i < TELEMETRY_MAX_THREADS; i++) {
        if (i >= rows_in_use && !control_set_thread_rows(i + 1))
            break;
        if (telemetry_get(&telemetry->threads[i].thread_id) != 0)
            continue;
        row = &telemetry->threads[i];
        telemetry_set(&row->thread_id, thread_id);
        lowest_free = i + 1;
        if (i >= rows_in_use)
            rows_in_use = i + 1;
        break;
    }
    if (!row)
        lowest_free = TELEMETRY_MAX_THREADS;
    lock_release(&rows_lock);
    if (!row) {
        if (!*spare)
            *spare = os_map(sizeof **spare);
        row = *spare;
        if (row)
            telemetry_set(&row->thread_id, thread_id);
    }
    telemetry_add(&telemetry->global.threads, 1);
    return row;
}

/* The counters of a thread that has ended are added up; its gauges are zero. The tables say which words are counters. */
#define ADD_COUNTER(word) telemetry_bump(&retired->word, (int64_t)telemetry_get(&row->word));
#define ADD_GAUGE(word)

static void retire_locked(struct telemetry_thread *row)
{
    struct telemetry_thread *retired = &telemetry->threads[0];
#define HAK_METRIC_THREAD(field, name, group, unit, chart, kind, ...) ADD_##kind(field)
#include "telemetry.def"
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++) {
        if (telemetry_get(&row->classes[c].refills) + telemetry_get(&row->classes[c].flushes) +
                telemetry_get(&row->classes[c].allocations) == 0)
            continue; /* the thread never used the class, as most threads most classes */
#define HAK_METRIC_THREAD_CLASS(field, name, group, unit, chart, kind, ...) ADD_##kind(classes[c].field)
#include "telemetry.def"
    }
}

void thread_rows_release(struct telemetry_thread *row)
{
    lock_acquire(&rows_lock);
    retire_locked(row);
    memset(row, 0, sizeof *row);
    if (is_shared(row)) {
        uint32_t index = (uint32_t)(row - telemetry->threads);
        if (index < lowest_free)
            lowest_free = index;
    }
    lock_release(&rows_lock);
    telemetry_add(&telemetry->global.threads, -1);
}

void thread_rows_reset_locks(void)
{
    lock_reset(&rows_lock);
}

void thread_rows_after_fork(struct telemetry_thread *survivor, uint32_t thread_id)
{
    for (uint32_t i = 1; i < rows_in_use; i++)
        if (&telemetry->threads[i] != survivor && telemetry_get(&telemetry->threads[i].thread_id))
            memset(&telemetry->threads[i], 0, sizeof telemetry->threads[i]);
    lowest_free = 1;
    if (survivor)
        telemetry_set(&survivor->thread_id, thread_id);
    telemetry_set(&telemetry->global.threads, survivor ? 1 : 0);
}

bool thread_rows_is_valid(void)
{
    lock_acquire(&rows_lock);
    bool valid = rows_in_use >= 1 && rows_in_use <= TELEMETRY_MAX_THREADS && lowest_free >= 1;
    for (uint32_t i = 1; i < lowest_free && i < rows_in_use; i++)
        valid &= telemetry_get(&telemetry->threads[i].thread_id) != 0;
    lock_release(&rows_lock);
    return valid;
}

void thread_rows_acquire_locks(void)
{
    lock_acquire(&rows_lock);
}

void thread_rows_release_locks(void)
{
    lock_release(&rows_lock);
}
