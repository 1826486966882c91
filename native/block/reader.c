/* reader.c: opens a control block, reads its descriptors, and tells whether its publisher lives
 * (hak_reader.h). Every number that comes from the file is checked here before use. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int reader_fail(char *error, int code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error, HAK_ERROR_TEXT_BYTES, format, arguments);
        va_end(arguments);
        for (char *c = error; *c; c++) /* names may come from a hostile block: without control characters */
            if ((unsigned char)*c < ' ' || *c == 127)
                *c = '?';
    }
    return code;
}

int reader_read(struct hak_reader *reader, void *target, uint64_t bytes, uint64_t offset, char *error)
{
    char *end = target;
    while (bytes > 0) {
        ssize_t got = pread(reader->descriptor, end, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return reader_fail(error, HAK_ERROR_SYSTEM, "cannot read the control block of process %u: %s",
                               reader->header.pid, strerror(errno));
        if (got == 0)
            return reader_fail(error, HAK_ERROR_DAMAGED,
                               "the control block of process %u is damaged: its file was cut short",
                               reader->header.pid);
        end += got;
        bytes -= (uint64_t)got;
        offset += (uint64_t)got;
    }
    atomic_thread_fence(memory_order_seq_cst); /* the kernel loaded for this thread: before what it loads next */
    return HAK_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* The limits of each section. Records may be longer than this reader's, with fields added later under the same ABI. */
static const struct {
    const char *name;
    uint32_t record_bytes, most;
    int is_exact;
} section_rules[HAK_SECTION_COUNT] = {
    [HAK_SECTION_TUNABLE] = {"tunables", sizeof(struct hak_tunable), READER_MOST_DESCRIPTORS, 0},
    [HAK_SECTION_CONSTRAINT] = {"constraints", sizeof(struct hak_constraint), READER_MOST_DESCRIPTORS, 0},
    [HAK_SECTION_METRIC] = {"metrics", sizeof(struct hak_metric), READER_MOST_DESCRIPTORS, 0},
    [HAK_SECTION_AXIS] = {"axes", sizeof(struct hak_axis), 64, 0},
    [HAK_SECTION_AXIS_ITEM] = {"axis items", sizeof(struct hak_axis_item), 65536, 0},
    [HAK_SECTION_EVENT_KIND] = {"event kinds", sizeof(struct hak_event_kind), READER_MOST_DESCRIPTORS, 0},
    [HAK_SECTION_EVENT_CAUSE] = {"event causes", sizeof(struct hak_event_cause), READER_MOST_DESCRIPTORS, 0},
    [HAK_SECTION_REQUESTED] = {"requested values", sizeof(double), READER_MOST_DESCRIPTORS, 1},
    [HAK_SECTION_EFFECTIVE] = {"effective values", sizeof(double), READER_MOST_DESCRIPTORS, 1},
    [HAK_SECTION_DATA] = {"data words", sizeof(uint64_t), UINT32_MAX, 1},
    [HAK_SECTION_EVENT] = {"events", sizeof(struct hak_event), 1u << 28, 1},
};

static int check_sections(const struct hak_header *header, const char *path, char *error)
{
    for (unsigned k = 0; k < HAK_SECTION_COUNT; k++) {
        const struct hak_section_entry *entry = &header->section[k];
        uint64_t slots = k != HAK_SECTION_REQUESTED ? 1 : header->flags & HAK_BLOCK_KEEPS_LEASES ? 4 : 2;
        int stride_fits = section_rules[k].is_exact ? entry->stride == section_rules[k].record_bytes
                                                    : entry->stride >= section_rules[k].record_bytes;
        /* The product below does not wrap: count and stride have 32 bits each, and where slots is not 1, count has already been
         * found to be at most READER_MOST_DESCRIPTORS. */
        if (!stride_fits || entry->count > section_rules[k].most || entry->offset % 8 != 0 ||
            entry->offset < HAK_HEADER_BYTES || entry->offset > header->total_bytes ||
            slots * entry->count * entry->stride > header->total_bytes - entry->offset)
            return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: its %s do not fit", path,
                               section_rules[k].name);
    }
    uint32_t tunables = header->section[HAK_SECTION_TUNABLE].count;
    uint32_t events = header->section[HAK_SECTION_EVENT].count;
    if (header->section[HAK_SECTION_REQUESTED].count != tunables ||
        header->section[HAK_SECTION_EFFECTIVE].count != tunables)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: %u tunables without a value each", path, tunables);
    if ((events & (events - 1)) != 0)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: %u events are no power of two", path, events);
    return HAK_OK;
}

static void end_string(char *text, size_t bytes)
{
    text[bytes - 1] = 0;
}
#define END_STRING(field) end_string(field, sizeof(field))

static int check_header(struct hak_header *header, const struct stat *status, const char *path, char *error)
{
    if (header->magic != HAK_MAGIC)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is not a control block", path);
    if (header->abi_version < HAK_ABI_OLDEST || header->abi_version > HAK_ABI_VERSION)
        return reader_fail(error, HAK_ERROR_WRONG_ABI,
                           "%s has ABI version %u, this workbench reads %u to %u: use the workbench it was built with",
                           path, header->abi_version, HAK_ABI_OLDEST, HAK_ABI_VERSION);
    if (header->header_bytes != HAK_HEADER_BYTES || header->total_bytes < HAK_HEADER_BYTES)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: its header has an impossible size", path);
    if ((uint64_t)status->st_size < header->total_bytes)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: it has %llu of %llu bytes", path,
                           (unsigned long long)status->st_size, (unsigned long long)header->total_bytes);
    END_STRING(header->kind);
    END_STRING(header->build);
    END_STRING(header->command);
    return check_sections(header, path, error);
}

/* Returns the length of /proc/<pid>/root at the start of a path that leads into a container, or 0 if it does not. */
static size_t container_root(const char *path)
{
    static const char before[] = "/proc/", after[] = "/root/";
    size_t digits = strncmp(path, before, strlen(before)) == 0 ? strspn(path + strlen(before), "0123456789") : 0;
    const char *end = path + strlen(before) + digits;
    return digits && strncmp(end, after, strlen(after)) == 0 ? (size_t)(end - path) + strlen(after) - 1 : 0;
}

/* Opens the folder of a file in a container, step by step, because a link in the container could lead out of it. Returns
 * -1 and sets errno on failure. */
static int open_folder_in(const char *path, size_t root_length)
{
    char step[256];
    snprintf(step, sizeof step, "%.*s", (int)root_length, path);
    int folder = open(step, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *start = path + root_length + 1;
    for (const char *end; folder >= 0 && (end = strchr(start, '/')) != NULL; start = end + 1) {
        snprintf(step, sizeof step, "%.*s", (int)(end - start), start);
        int next = strcmp(step, "..") == 0 ? -1 : openat(folder, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int next_errno = errno == ENOTDIR ? ELOOP : errno; /* openat reports a link as "not a directory" */
        close(folder);
        folder = next;
        errno = next_errno;
    }
    return folder;
}

/* Whether only the owner of the folder could have put the file there, and the file has no second name elsewhere. */
static int is_safe_in(int folder, int descriptor)
{
    struct stat place, file;
    return fstat(folder, &place) == 0 && fstat(descriptor, &file) == 0 && (place.st_mode & 077) == 0 &&
           place.st_uid == file.st_uid && file.st_nlink == 1;
}

static int open_in_container(const char *path, size_t root_length, int flags)
{
    int folder = open_folder_in(path, root_length);
    if (folder < 0)
        return -1;
    int descriptor = openat(folder, strrchr(path, '/') + 1, flags);
    if (descriptor >= 0 && !is_safe_in(folder, descriptor)) {
        close(descriptor);
        descriptor = -1;
        errno = EACCES;
    }
    int saved_errno = errno;
    close(folder);
    errno = saved_errno;
    return descriptor;
}

static int open_path(const char *path, int flags)
{
    size_t root_length = container_root(path);
    flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK; /* O_NONBLOCK, so that a planted pipe does not block the reader */
    return root_length ? open_in_container(path, root_length, flags) : open(path, flags);
}

static int open_file(struct hak_reader *reader, const char *path, char *error)
{
    reader->descriptor = open_path(path, O_RDWR);
    reader->writable = reader->descriptor >= 0;
    if (reader->descriptor < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        reader->descriptor = open_path(path, O_RDONLY);
    if (reader->descriptor >= 0)
        return HAK_OK;
    if (errno == ENOENT)
        return reader_fail(error, HAK_ERROR_NO_PROCESS, "%s does not exist: its process has ended", path);
    if (errno == EACCES || errno == EPERM)
        return reader_fail(error, HAK_ERROR_NOT_PERMITTED, "not permitted to open %s: it is another user's", path);
    if (errno == ELOOP)
        return reader_fail(error, HAK_ERROR_NOT_PERMITTED, "%s is a symbolic link, which is not followed", path);
    if (errno == EISDIR)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is a directory, not a control block", path);
    return reader_fail(error, HAK_ERROR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
}

static int check_file(struct hak_reader *reader, const char *path, char *error)
{
    struct stat status;
    if (fstat(reader->descriptor, &status) != 0)
        return reader_fail(error, HAK_ERROR_SYSTEM, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is not a file, so not a control block", path);
    if (status.st_uid != geteuid() && geteuid() != 0)
        return reader_fail(error, HAK_ERROR_NOT_PERMITTED, "not permitted to use %s: it belongs to another user", path);
    if (status.st_size < (off_t)HAK_HEADER_BYTES)
        return reader_fail(error, HAK_ERROR_DAMAGED, "%s is damaged: it is shorter than its header", path);
    int code = reader_read(reader, &reader->header, sizeof reader->header, 0, error);
    return code != HAK_OK ? code : check_header(&reader->header, &status, path, error);
}

int hak_reader_open(struct hak_reader *reader, const char *path, char *error)
{
    memset(reader, 0, sizeof *reader);
    int code = open_file(reader, path, error);
    if (code != HAK_OK)
        return code;
    code = check_file(reader, path, error);
    if (reader->header.access != HAK_ACCESS_WRITE)
        reader->writable = 0;
    if (code != HAK_OK) {
        close(reader->descriptor);
        return code;
    }
    pthread_mutex_init(&reader->set_lock, NULL);
    void *page = reader->header.is_on_demand
                     ? mmap(NULL, HAK_HEADER_BYTES, PROT_READ, MAP_SHARED, reader->descriptor, 0)
                     : MAP_FAILED;
    reader->futexes = page == MAP_FAILED ? NULL : page;
    return HAK_OK;
}

void hak_reader_close(struct hak_reader *reader)
{
    pthread_mutex_destroy(&reader->set_lock);
    if (reader->futexes)
        munmap(reader->futexes, HAK_HEADER_BYTES);
    close(reader->descriptor);
    reader->descriptor = -1;
}

/* ---- liveness ------------------------------------------------------------------------------- */

/* Returns field `number` (3 or higher) of a line of /proc/<pid>/stat. Field 2 may contain any characters. */
static const char *find_field(const char *line, int number)
{
    const char *cursor = strrchr(line, ')');
    for (int field = 2; cursor && field < number; field++)
        cursor = strchr(cursor + 1, ' ');
    return cursor ? cursor + 1 : "";
}

static unsigned long long read_number(const char *text)
{
    unsigned long long number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (unsigned long long)(*text - '0');
    return number;
}

/* Whether a process with this pid and start time runs; if start_ticks is 0, any start time. A zombie does not run. */
static int is_running(uint32_t pid, uint64_t start_ticks)
{
    char path[48], line[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t length = read(descriptor, line, sizeof line - 1);
    close(descriptor);
    line[length > 0 ? length : 0] = 0;
    char state = *find_field(line, 3);
    /* A process whose main thread has ended looks like a zombie, but field 20 counts its other threads. */
    if ((state == 'Z' || state == 'X') && read_number(find_field(line, 20)) <= 1)
        return 0;
    return start_ticks == 0 || read_number(find_field(line, 22)) == start_ticks;
}

static uint64_t inode_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

/* Whether the publisher's lock is held, which no other descriptor can take while the publisher lives (hak_block.h). */
static int is_locked(const struct hak_reader *reader)
{
    if (flock(reader->descriptor, LOCK_SH | LOCK_NB) != 0)
        return 1;
    flock(reader->descriptor, LOCK_UN);
    return 0;
}

int hak_reader_alive(struct hak_reader *reader, char *error)
{
    const struct hak_header *header = &reader->header;
    uint32_t state;
    int code = reader_read(reader, &state, sizeof state, offsetof(struct hak_header, state), error);
    if (code != HAK_OK)
        return code;
    if (state == HAK_STATE_EXITED)
        return reader_fail(error, HAK_ERROR_NO_PROCESS, "process %u has exited", header->pid);
    /* The pid is only meaningful in the same PID namespace, and the start time only in the same time namespace. */
    int is_pid_ours = header->pid_namespace != 0 && header->pid_namespace == inode_of("/proc/self/ns/pid");
    int is_clock_ours = header->time_namespace == inode_of("/proc/self/ns/time");
    int runs = !is_pid_ours || is_running(header->pid, is_clock_ours ? header->start_ticks : 0);
    if (is_locked(reader) && runs)
        return HAK_OK;
    if (is_pid_ours && runs)
        return reader_fail(error, HAK_ERROR_NO_PROCESS,
                           "process %u is another program now (exec): nothing in it reads these settings", header->pid);
    return reader_fail(error, HAK_ERROR_NO_PROCESS, "process %u does not run any more", header->pid);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static int read_record(struct hak_reader *reader, enum hak_section section, uint32_t index, void *out, char *error)
{
    const struct hak_section_entry *entry = &reader->header.section[section];
    if (index >= entry->count)
        return reader_fail(error, HAK_ERROR_UNKNOWN, "there is no number %u among %u %s", index, entry->count,
                           section_rules[section].name);
    return reader_read(reader, out, section_rules[section].record_bytes,
                       entry->offset + (uint64_t)index * entry->stride, error);
}

static int fail_record(enum hak_section section, uint32_t index, const char *what, char *error)
{
    return reader_fail(error, HAK_ERROR_DAMAGED, "the control block is damaged: number %u of its %s has %s", index,
                       section_rules[section].name, what);
}

int hak_reader_tunable(struct hak_reader *reader, uint32_t index, struct hak_tunable *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_TUNABLE, index, out, error);
    if (code != HAK_OK)
        return code;
    END_STRING(out->name);
    END_STRING(out->group);
    END_STRING(out->unit);
    END_STRING(out->help);
    END_STRING(out->choices);
    END_STRING(out->environment);
    if (!out->name[0])
        return fail_record(HAK_SECTION_TUNABLE, index, "no name", error);
    if (out->type > HAK_TYPE_ACTION || out->scale > HAK_SCALE_LOG || out->effect > HAK_EFFECT_NEW_MAPPINGS)
        return fail_record(HAK_SECTION_TUNABLE, index, "an unknown type, scale or effect", error);
    if (!isfinite(out->minimum) || !isfinite(out->maximum) || !isfinite(out->default_value) ||
        out->minimum > out->maximum)
        return fail_record(HAK_SECTION_TUNABLE, index, "an impossible range", error);
    return HAK_OK;
}

int hak_reader_constraint(struct hak_reader *reader, uint32_t index, struct hak_constraint *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_CONSTRAINT, index, out, error);
    uint32_t tunables = reader->header.section[HAK_SECTION_TUNABLE].count;
    if (code == HAK_OK && (out->lower >= tunables || out->upper >= tunables))
        return fail_record(HAK_SECTION_CONSTRAINT, index, "no such tunable", error);
    return code;
}

int reader_check_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *metric, char *error)
{
    uint32_t metrics = reader->header.section[HAK_SECTION_METRIC].count;
    uint32_t axes = reader->header.section[HAK_SECTION_AXIS].count;
    uint64_t data_bytes = reader->header.section[HAK_SECTION_DATA].count * 8ull;
    END_STRING(metric->name);
    END_STRING(metric->group);
    END_STRING(metric->unit);
    END_STRING(metric->help);
    END_STRING(metric->chart);
    if (!metric->name[0])
        return fail_record(HAK_SECTION_METRIC, index, "no name", error);
    if (metric->kind > HAK_METRIC_DIFFERENCE || metric->fold > HAK_FOLD_MAX || metric->role > HAK_ROLE_GHOST_VARIANCE)
        return fail_record(HAK_SECTION_METRIC, index, "an unknown kind, fold or role", error);
    if (metric->kind == HAK_METRIC_QUOTIENT || metric->kind == HAK_METRIC_DIFFERENCE) {
        if (metric->operand_a >= metrics || metric->operand_b >= metrics || metric->operand_a == index ||
            metric->operand_b == index)
            return fail_record(HAK_SECTION_METRIC, index, "an unknown operand", error);
        return HAK_OK;
    }
    for (int k = 0; k < 2; k++)
        if (metric->axis[k] != HAK_NO_AXIS &&
            (metric->axis[k] >= axes || metric->stride[k] % 8 != 0 || metric->stride[k] == 0))
            return fail_record(HAK_SECTION_METRIC, index, "an impossible axis", error);
    if (metric->axis[0] == HAK_NO_AXIS && metric->axis[1] != HAK_NO_AXIS)
        return fail_record(HAK_SECTION_METRIC, index, "an impossible axis", error);
    if (metric->offset % 8 != 0 || metric->offset > data_bytes || data_bytes - metric->offset < 8)
        return fail_record(HAK_SECTION_METRIC, index, "an impossible place", error);
    return HAK_OK;
}

int hak_reader_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_METRIC, index, out, error);
    return code != HAK_OK ? code : reader_check_metric(reader, index, out, error);
}

int hak_reader_axis(struct hak_reader *reader, uint32_t index, struct hak_axis *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_AXIS, index, out, error);
    if (code != HAK_OK)
        return code;
    uint32_t items = reader->header.section[HAK_SECTION_AXIS_ITEM].count;
    END_STRING(out->name);
    if (!out->name[0])
        return fail_record(HAK_SECTION_AXIS, index, "no name", error);
    if (atomic_load_explicit(&out->count, memory_order_relaxed) > out->maximum)
        return fail_record(HAK_SECTION_AXIS, index, "more rows than it can have", error);
    if (out->item_count > items || out->first_item > items - out->item_count)
        return fail_record(HAK_SECTION_AXIS, index, "labels that are not there", error);
    return HAK_OK;
}

int hak_reader_axis_item(struct hak_reader *reader, uint32_t index, struct hak_axis_item *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_AXIS_ITEM, index, out, error);
    if (code == HAK_OK) {
        END_STRING(out->label);
        END_STRING(out->group);
    }
    return code;
}

int hak_reader_event_kind(struct hak_reader *reader, uint32_t index, struct hak_event_kind *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_EVENT_KIND, index, out, error);
    if (code != HAK_OK)
        return code;
    END_STRING(out->name);
    END_STRING(out->help);
    END_STRING(out->unit);
    if (!out->name[0])
        return fail_record(HAK_SECTION_EVENT_KIND, index, "no name", error);
    if (out->axis != HAK_NO_AXIS && out->axis >= reader->header.section[HAK_SECTION_AXIS].count)
        return fail_record(HAK_SECTION_EVENT_KIND, index, "an unknown axis", error);
    return HAK_OK;
}

int hak_reader_event_cause(struct hak_reader *reader, uint32_t index, struct hak_event_cause *out, char *error)
{
    int code = read_record(reader, HAK_SECTION_EVENT_CAUSE, index, out, error);
    if (code == HAK_OK)
        END_STRING(out->name);
    return code;
}
