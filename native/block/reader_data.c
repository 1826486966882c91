/* reader_data.c: reads the parts of a control block that change: settings, metric words, events
 * (hak_reader.h). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_BYTES = 65536, COPY_ATTEMPTS = 200, EVENT_PATIENCE = 64 };
enum { LOOK_NS = 100000000, BUSY_NS = 1000000 };

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- publishers that measure on demand ------------------------------------------------------ */

int reader_wake(const struct hak_reader *reader)
{
    return reader->futexes && syscall(SYS_futex, reader->futexes + offsetof(struct hak_header, generation), FUTEX_WAKE,
                                      1, NULL, NULL, 0) > 0;
}

/* Makes a publisher that measures on demand do so, and waits for its answer. A publisher that was awake may have begun to
 * measure before this call, so it is woken again. If a publisher does not answer, because it is stopped or ends, the values
 * that it measured last are read. */
static int look(struct hak_reader *reader, char *error)
{
    const uint64_t samples_offset = offsetof(struct hak_header, samples), start = clock_ns();
    uint32_t before = 0, samples;
    int is_measuring = 0;
    for (uint64_t passed = 0; reader->futexes && passed < LOOK_NS; passed = clock_ns() - start) {
        int code = reader_read(reader, &samples, sizeof samples, samples_offset, error);
        if (code != HAK_OK || (is_measuring && samples != before))
            return code;
        if (!is_measuring) {
            before = samples;
            is_measuring = reader_wake(reader);
        }
        struct timespec rest = {.tv_nsec = is_measuring ? (long)(LOOK_NS - passed) : BUSY_NS};
        syscall(SYS_futex, reader->futexes + samples_offset, FUTEX_WAIT, before, &rest, NULL, 0);
    }
    return HAK_OK;
}

/* ---- settings ------------------------------------------------------------------------------- */

/* Copies one vector of values and the generation to which it belongs. The low bit of the generation selects one of two
 * slots, which are slot_bytes apart. */
static int read_values(struct hak_reader *reader, enum hak_section section, uint64_t slot_bytes,
                       uint64_t generation_offset, double *values, uint32_t count, uint64_t *generation, char *error)
{
    const struct hak_section_entry *entry = &reader->header.section[section];
    uint64_t before = 0, after = 0;
    if (count < entry->count)
        return reader_fail(error, HAK_ERROR_BUFFER, "%u values do not fit in a buffer of %u", entry->count, count);
    for (int attempt = 0; attempt < COPY_ATTEMPTS; attempt++) {
        int code = reader_read(reader, &before, sizeof before, generation_offset, error);
        if (code == HAK_OK)
            code = reader_read(reader, values, entry->count * sizeof *values,
                               entry->offset + (before & 1) * slot_bytes, error);
        if (code == HAK_OK)
            code = reader_read(reader, &after, sizeof after, generation_offset, error);
        if (code != HAK_OK)
            return code;
        if (before == after && !(before & HAK_EFFECTIVE_BUSY))
            break;
        sched_yield();
    }
    /* If the publisher was stopped or died while it changed the values, the values as it left them are returned. */
    *generation = after & ~HAK_EFFECTIVE_BUSY;
    for (uint32_t i = 0; i < entry->count; i++)
        if (!isfinite(values[i]))
            return reader_fail(error, HAK_ERROR_DAMAGED,
                               "the control block of process %u is damaged: tunable %u has no finite value",
                               reader->header.pid, i);
    return HAK_OK;
}

int hak_reader_requested(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error)
{
    uint64_t slot_bytes = reader->header.section[HAK_SECTION_REQUESTED].count * sizeof(double);
    int code = read_values(reader, HAK_SECTION_REQUESTED, slot_bytes, offsetof(struct hak_header, generation), values,
                           count, generation, error);
    if (code == HAK_OK && reader->header.is_on_demand && *generation == READER_START_GENERATION)
        code = reader_take_effective(reader, values, *generation, error);
    return code == HAK_OK ? reader_give_back(reader, values, error) : code;
}

int hak_reader_effective(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error)
{
    int code = look(reader, error);
    if (code != HAK_OK)
        return code;
    return read_values(reader, HAK_SECTION_EFFECTIVE, 0, offsetof(struct hak_header, effective_generation), values,
                       count, generation, error);
}

int hak_reader_setter(struct hak_reader *reader, uint64_t generation, char *error)
{
    uint64_t setter = 0;
    int code = reader_read(reader, &setter, sizeof setter, offsetof(struct hak_header, setter), error);
    if (code != HAK_OK)
        return code;
    return setter >> 32 == (uint32_t)generation ? (int)(setter & INT32_MAX) : 0;
}

/* ---- metrics -------------------------------------------------------------------------------- */

/* A piece of DATA that is read ahead, because the words of one thread lie side by side, and so do the threads. */
struct window {
    struct hak_reader *reader;
    uint64_t data_offset, data_bytes;
    uint64_t start, bytes; /* the part of DATA that is in `words` */
    uint64_t words[WINDOW_BYTES / 8];
};

static int window_word(struct window *window, uint64_t offset, uint64_t *word, char *error)
{
    if (offset < window->start || offset - window->start >= window->bytes) {
        window->start = offset / 64 * 64;
        window->bytes = window->data_bytes - window->start;
        if (window->bytes > WINDOW_BYTES)
            window->bytes = WINDOW_BYTES;
        int code = reader_read(window->reader, window->words, window->bytes, window->data_offset + window->start,
                               error);
        if (code != HAK_OK) {
            window->bytes = 0;
            return code;
        }
    }
    *word = window->words[(offset - window->start) / 8];
    return HAK_OK;
}

/* Computes the numbers of rows and columns of a stored metric. Fails if its last word lies outside DATA. */
static int measure_metric(const struct hak_metric *metric, const uint32_t *axis_counts, uint64_t data_bytes,
                          uint64_t extent[2], char *error)
{
    uint64_t last = metric->offset;
    for (int k = 0; k < 2; k++) {
        extent[k] = metric->axis[k] == HAK_NO_AXIS ? 1 : axis_counts[metric->axis[k]];
        uint64_t reach;
        if (extent[k] > 0 && metric->axis[k] != HAK_NO_AXIS &&
            (__builtin_mul_overflow(extent[k] - 1, metric->stride[k], &reach) ||
             __builtin_add_overflow(last, reach, &last)))
            last = UINT64_MAX;
    }
    if (extent[0] * extent[1] > 0 && (last >= data_bytes || data_bytes - last < 8))
        return reader_fail(error, HAK_ERROR_DAMAGED, "the control block is damaged: %s lies outside its data",
                           metric->name);
    return HAK_OK;
}

static int copy_metric(struct window *window, const struct hak_metric *metric, const uint64_t extent[2],
                       uint64_t *words, char *error)
{
    uint64_t column_stride = metric->axis[1] == HAK_NO_AXIS ? 0 : metric->stride[1];
    uint64_t row_stride = metric->axis[0] == HAK_NO_AXIS ? 0 : metric->stride[0];
    for (uint64_t row = 0; row < extent[0]; row++) {
        uint64_t offset = metric->offset + row * row_stride;
        for (uint64_t column = 0; column < extent[1]; column++, offset += column_stride) {
            int code = window_word(window, offset, words++, error);
            if (code != HAK_OK)
                return code;
        }
    }
    return HAK_OK;
}

static int read_axis_counts(struct hak_reader *reader, uint32_t *axis_counts, uint32_t axis_capacity, char *error)
{
    uint32_t axes = reader->header.section[HAK_SECTION_AXIS].count;
    if (axes > axis_capacity)
        return reader_fail(error, HAK_ERROR_BUFFER, "%u axes do not fit in a buffer of %u", axes, axis_capacity);
    for (uint32_t i = 0; i < axes; i++) {
        struct hak_axis axis;
        int code = hak_reader_axis(reader, i, &axis, error);
        if (code != HAK_OK)
            return code;
        axis_counts[i] = atomic_load_explicit(&axis.count, memory_order_relaxed);
    }
    return HAK_OK;
}

int64_t hak_reader_snapshot(struct hak_reader *reader, uint32_t *axis_counts, uint32_t axis_capacity,
                            uint64_t *words, uint64_t words_capacity, uint64_t *words_needed,
                            uint64_t *time_ns, char *error)
{
    const struct hak_section_entry *section = reader->header.section;
    const struct hak_section_entry *entry = &section[HAK_SECTION_METRIC];
    struct window window;
    window.reader = reader;
    window.data_offset = section[HAK_SECTION_DATA].offset;
    window.data_bytes = section[HAK_SECTION_DATA].count * 8ull;
    window.start = window.bytes = 0;

    int code = look(reader, error);
    *time_ns = clock_ns();
    *words_needed = 0;
    if (code == HAK_OK)
        code = read_axis_counts(reader, axis_counts, axis_capacity, error);
    for (uint32_t i = 0; i < entry->count && code == HAK_OK; i++) {
        struct hak_metric metric;
        uint64_t extent[2];
        code = hak_reader_metric(reader, i, &metric, error);
        if (code != HAK_OK || metric.kind == HAK_METRIC_QUOTIENT || metric.kind == HAK_METRIC_DIFFERENCE)
            continue;
        code = measure_metric(&metric, axis_counts, window.data_bytes, extent, error);
        if (code != HAK_OK)
            break;
        uint64_t first = *words_needed, count = extent[0] * extent[1];
        *words_needed += count;
        /* No two metrics share a word, so the metrics of a valid block never have more words than DATA. */
        if (count > window.data_bytes / 8 || *words_needed > window.data_bytes / 8)
            return reader_fail(error, HAK_ERROR_DAMAGED,
                               "the control block is damaged: its metrics have more words than its data");
        if (*words_needed <= words_capacity)
            code = copy_metric(&window, &metric, extent, words + first, error);
    }
    if (code != HAK_OK)
        return code;
    if (*words_needed > words_capacity)
        return reader_fail(error, HAK_ERROR_BUFFER, "%llu words do not fit in a buffer of %llu",
                           (unsigned long long)*words_needed, (unsigned long long)words_capacity);
    return (int64_t)*words_needed;
}

/* ---- events --------------------------------------------------------------------------------- */

/* Reads events [index, index + count) as they stand in the ring. */
static int read_ring(struct hak_reader *reader, uint64_t index, struct hak_event *out, uint64_t count, char *error)
{
    const struct hak_section_entry *entry = &reader->header.section[HAK_SECTION_EVENT];
    while (count > 0) {
        uint64_t position = index & (entry->count - 1u);
        uint64_t run = entry->count - position < count ? entry->count - position : count;
        int code = reader_read(reader, out, run * sizeof *out, entry->offset + position * sizeof *out, error);
        if (code != HAK_OK)
            return code;
        index += run;
        out += run;
        count -= run;
    }
    return HAK_OK;
}

static uint64_t sequence_of(const struct hak_event *event)
{
    return atomic_load_explicit(&event->sequence, memory_order_relaxed);
}

int64_t hak_reader_events(struct hak_reader *reader, uint64_t *cursor, struct hak_event *out, uint32_t capacity,
                          uint64_t *lost, char *error)
{
    uint64_t ring = reader->header.section[HAK_SECTION_EVENT].count, head, head_after;
    const uint64_t head_offset = offsetof(struct hak_header, event_head);
    if (ring == 0 || capacity == 0)
        return 0;
    int code = reader_read(reader, &head, sizeof head, head_offset, error);
    if (code != HAK_OK)
        return code;
    if (*cursor > head) /* the ring was emptied (a fork), or the cursor belongs to another block */
        *cursor = head;
    if (head - *cursor > ring) {
        *lost += head - *cursor - ring;
        *cursor = head - ring;
    }
    uint64_t first = *cursor, count = head - first < capacity ? head - first : capacity;

    /* The ring is read twice. The first pass finds which events are complete; the second copies those events, which were
     * complete before it began. A copy is right unless the head has meanwhile reached the event's slot again. */
    code = read_ring(reader, first, out, count, error);
    if (code != HAK_OK)
        return code;
    uint64_t patience = ring < 2 * EVENT_PATIENCE ? ring / 2 : EVENT_PATIENCE, complete = 0;
    while (complete < count) {
        /* An incomplete event near the head is being written, so it is read next time. One that is far behind the head was
         * given up by its writer. */
        if (sequence_of(&out[complete]) != 2 * (first + complete) + 2 && head - (first + complete) <= patience)
            break;
        complete++;
    }
    count = complete;
    unsigned char is_complete[1024];
    if (count > sizeof is_complete)
        count = sizeof is_complete;
    for (uint64_t i = 0; i < count; i++)
        is_complete[i] = sequence_of(&out[i]) == 2 * (first + i) + 2;
    code = read_ring(reader, first, out, count, error);
    if (code == HAK_OK)
        code = reader_read(reader, &head_after, sizeof head_after, head_offset, error);
    if (code != HAK_OK)
        return code;

    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (is_complete[i] && head_after - (first + i) <= ring)
            out[kept++] = out[i];
        else
            ++*lost;
    }
    *cursor = first + count;
    return (int64_t)kept;
}
