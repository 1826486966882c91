/* reader_set.c: sets tunables of a control block, all or none (hak_reader.h). A setter that dies at any
 * point leaves either the old settings or the new ones. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_S = 2, LOCK_POLL_NS = 500000, NUMBER_BYTES = 32 };

typedef uint64_t __attribute__((may_alias)) shared_word;

struct proposal {
    struct hak_reader *reader;
    const uint32_t *index;
    const double *value;
    uint32_t count;
    int is_at_start;            /* tunables that take effect at start may be changed, too */
    const shared_word *current; /* the values in force */
};

static double load_value(const shared_word *slot, uint32_t index)
{
    uint64_t word = __atomic_load_n(&slot[index], __ATOMIC_RELAXED);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Returns the last value that is proposed for a tunable, or its current value. */
static double proposed_value(const struct proposal *proposal, uint32_t tunable)
{
    for (uint32_t i = proposal->count; i-- > 0;)
        if (proposal->index[i] == tunable)
            return proposal->value[i];
    return load_value(proposal->current, tunable);
}

static int is_proposed(const struct proposal *proposal, uint32_t tunable)
{
    for (uint32_t i = 0; i < proposal->count; i++)
        if (proposal->index[i] == tunable)
            return 1;
    return 0;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Writes a value as a person does: the name of a choice, or a number. */
static const char *format_value(const struct hak_tunable *tunable, double value, char text[NUMBER_BYTES])
{
    snprintf(text, NUMBER_BYTES, "%.15g", value);
    if (tunable->type != HAK_TYPE_CHOICE || !(value >= 0) || value > tunable->maximum)
        return text;
    const char *start = tunable->choices;
    for (double i = 0; i < value && start; i++) {
        start = strchr(start, ',');
        start = start ? start + 1 : NULL;
    }
    if (start)
        snprintf(text, NUMBER_BYTES, "%.*s", (int)strcspn(start, ","), start);
    return text;
}

/* Writes "NAME set to 4", or "NAME=key:4" if several settings share a variable (hak_block.h). */
static const char *format_start(const struct hak_tunable *tunable, double value, char *text, size_t bytes)
{
    char number[NUMBER_BYTES];
    const char *variable = tunable->environment;
    int name = (int)strspn(variable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    format_value(tunable, value, number);
    if (!variable[name]) {
        snprintf(text, bytes, "%s set to %s", name ? variable : "its environment variable", number);
        return text;
    }
    const char *key = variable + name + 1;
    int key_bytes = (int)strcspn(key, ":=") + 1;
    const char *words = key + key_bytes, *on = strchr(words, '|');
    const char *written = !on ? number : value ? on + 1 : words;
    int written_bytes = on && !value ? (int)(on - words) : (int)strlen(written);
    snprintf(text, bytes, "%.*s=%.*s%.*s", name, variable, key_bytes, key, written_bytes, written);
    return text;
}

static const char *separator(const struct hak_tunable *tunable)
{
    return tunable->unit[0] ? " " : "";
}

/* ---- checks --------------------------------------------------------------------------------- */

static int check_value(const struct proposal *proposal, const struct hak_tunable *tunable, uint32_t index, double value,
                       char *error)
{
    char given[NUMBER_BYTES], low[NUMBER_BYTES], high[NUMBER_BYTES], start[2 * sizeof tunable->environment];
    if (tunable->effect == HAK_EFFECT_START && !proposal->is_at_start &&
        value != load_value(proposal->current, index))
        return reader_fail(error, HAK_ERROR_START_ONLY,
                           "%s takes effect at start only: start the program with %s", tunable->name,
                           format_start(tunable, value, start, sizeof start));
    snprintf(given, sizeof given, "%.15g", value);
    if (tunable->type == HAK_TYPE_ACTION)
        return value == 1 ? HAK_OK
                          : reader_fail(error, HAK_ERROR_RANGE, "%s = %s: an action is asked for once at a time: give 1",
                                        tunable->name, given);
    format_value(tunable, tunable->minimum, low);
    format_value(tunable, tunable->maximum, high);
    if (!isfinite(value) || value < tunable->minimum || value > tunable->maximum) {
        if (tunable->type == HAK_TYPE_CHOICE)
            return reader_fail(error, HAK_ERROR_RANGE, "%s = %s is no choice: %s", tunable->name, given,
                               tunable->choices);
        return reader_fail(error, HAK_ERROR_RANGE, "%s = %s is out of range: %s to %s%s%s", tunable->name, given, low,
                           high, separator(tunable), tunable->unit);
    }
    if (tunable->type != HAK_TYPE_REAL && value != floor(value))
        return reader_fail(error, HAK_ERROR_RANGE, "%s = %s is not a whole number: %s to %s%s%s", tunable->name, given,
                           low, high, separator(tunable), tunable->unit);
    return HAK_OK;
}

static int fail_constraint(const struct proposal *proposal, const struct hak_constraint *constraint, char *error)
{
    struct hak_tunable lower, upper;
    char given[NUMBER_BYTES], other[NUMBER_BYTES];
    int code = hak_reader_tunable(proposal->reader, constraint->lower, &lower, error);
    if (code == HAK_OK)
        code = hak_reader_tunable(proposal->reader, constraint->upper, &upper, error);
    if (code != HAK_OK)
        return code;
    const char *relation = constraint->strict ? "<" : "<=";
    int is_lower_given = is_proposed(proposal, constraint->lower);
    int is_upper_given = is_proposed(proposal, constraint->upper);
    format_value(&lower, proposed_value(proposal, constraint->lower), is_lower_given ? given : other);
    if (is_lower_given && is_upper_given) {
        format_value(&upper, proposed_value(proposal, constraint->upper), other);
        return reader_fail(error, HAK_ERROR_CONSTRAINT,
                           "%s = %s breaks %s %s %s (%s): raise the second or lower the first", lower.name, given,
                           lower.name, relation, upper.name, other);
    }
    const struct hak_tunable *changed = is_lower_given ? &lower : &upper;
    format_value(&upper, proposed_value(proposal, constraint->upper), is_lower_given ? other : given);
    const char *remedy = constraint->strict ? (is_lower_given ? "choose less than" : "choose more than")
                                            : (is_lower_given ? "choose at most" : "choose at least");
    if (is_lower_given)
        return reader_fail(error, HAK_ERROR_CONSTRAINT, "%s = %s breaks %s %s %s (%s): set both together or %s %s",
                           changed->name, given, lower.name, relation, upper.name, other, remedy, other);
    return reader_fail(error, HAK_ERROR_CONSTRAINT, "%s = %s breaks %s (%s) %s %s: set both together or %s %s",
                       changed->name, given, lower.name, other, relation, upper.name, remedy, other);
}

static int check_proposal(const struct proposal *proposal, char *error)
{
    struct hak_reader *reader = proposal->reader;
    for (uint32_t i = 0; i < proposal->count; i++) {
        struct hak_tunable tunable;
        int code = hak_reader_tunable(reader, proposal->index[i], &tunable, error);
        if (code == HAK_OK)
            code = check_value(proposal, &tunable, proposal->index[i], proposal->value[i], error);
        if (code != HAK_OK)
            return code;
    }
    for (uint32_t i = 0; i < reader->header.section[HAK_SECTION_CONSTRAINT].count; i++) {
        struct hak_constraint constraint;
        int code = hak_reader_constraint(reader, i, &constraint, error);
        if (code != HAK_OK)
            return code;
        double lower = proposed_value(proposal, constraint.lower);
        double upper = proposed_value(proposal, constraint.upper);
        /* A publisher's start values may break a constraint. That must not prevent setting other tunables. */
        if ((constraint.strict ? !(lower < upper) : !(lower <= upper)) &&
            (is_proposed(proposal, constraint.lower) || is_proposed(proposal, constraint.upper)))
            return fail_constraint(proposal, &constraint, error);
    }
    return HAK_OK;
}

static int check_indices(const struct proposal *proposal, char *error)
{
    if (proposal->count > READER_MOST_DESCRIPTORS)
        return reader_fail(error, HAK_ERROR_UNKNOWN, "a set of %u tunables: there are not so many", proposal->count);
    for (uint32_t i = 0; i < proposal->count; i++)
        if (proposal->index[i] >= proposal->reader->header.section[HAK_SECTION_TUNABLE].count)
            return reader_fail(error, HAK_ERROR_UNKNOWN, "there is no tunable number %u", proposal->index[i]);
    return HAK_OK;
}

int hak_reader_check(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                     char *error)
{
    double current[READER_MOST_DESCRIPTORS];
    uint64_t generation;
    struct proposal proposal = {.reader = reader, .index = index, .value = value, .count = count, .is_at_start = 1};
    proposal.current = (const void *)current;
    int code = hak_reader_requested(reader, current, READER_MOST_DESCRIPTORS, &generation, error);
    if (code == HAK_OK)
        code = check_indices(&proposal, error);
    return code == HAK_OK ? check_proposal(&proposal, error) : code;
}

/* ---- locking and publishing ----------------------------------------------------------------- */

static struct timespec lock_deadline(clockid_t clock)
{
    struct timespec deadline;
    clock_gettime(clock, &deadline);
    deadline.tv_sec += LOCK_WAIT_S;
    return deadline;
}

/* F_OFD_SETLKW has no timeout, so the lock is polled; setters hold it for microseconds. */
static int lock_file(struct hak_reader *reader, char *error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = HAK_HEADER_BYTES};
    struct timespec now, deadline = lock_deadline(CLOCK_MONOTONIC), pause = {.tv_nsec = LOCK_POLL_NS};
    while (fcntl(reader->descriptor, F_OFD_SETLK, &lock) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return reader_fail(error, HAK_ERROR_SYSTEM, "cannot lock the settings of process %u: %s",
                               reader->header.pid, strerror(errno));
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > deadline.tv_sec || (now.tv_sec == deadline.tv_sec && now.tv_nsec > deadline.tv_nsec))
            return reader_fail(error, HAK_ERROR_SYSTEM,
                               "the settings of process %u are locked by another setter that does not go on",
                               reader->header.pid);
        nanosleep(&pause, NULL);
    }
    return HAK_OK;
}

static void unlock_file(struct hak_reader *reader)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = HAK_HEADER_BYTES};
    fcntl(reader->descriptor, F_OFD_SETLK, &lock);
}

static int fail_write(const struct hak_reader *reader, char *error)
{
    return reader_fail(error, HAK_ERROR_SYSTEM, "cannot write the settings of process %u: %s", reader->header.pid,
                       strerror(errno));
}

int reader_write(struct hak_reader *reader, const void *source, size_t bytes, uint64_t offset, char *error)
{
    ssize_t written;
    atomic_thread_fence(memory_order_seq_cst); /* the kernel stores for this thread: after what it stored before */
    do
        written = pwrite(reader->descriptor, source, bytes, (off_t)offset);
    while (written < 0 && errno == EINTR);
    if (written >= 0 && (size_t)written != bytes)
        errno = ENOSPC;
    return written == (ssize_t)bytes ? HAK_OK : fail_write(reader, error);
}

/* A write must not lengthen a file that was cut short, and must not raise SIGXFSZ. */
static int check_size(struct hak_reader *reader, char *error)
{
    struct stat status;
    struct rlimit limit;
    if (fstat(reader->descriptor, &status) != 0 || (uint64_t)status.st_size < reader->header.total_bytes)
        return reader_fail(error, HAK_ERROR_DAMAGED,
                           "the control block of process %u is damaged: its file was cut short", reader->header.pid);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < reader->header.total_bytes) {
        errno = EFBIG;
        return fail_write(reader, error);
    }
    return HAK_OK;
}

/* Another allocator may have refused a requested value, or the program may have set one itself. So tunables that are not
 * proposed keep their effective values, and as long as nobody has set anything, the effective values are what the program
 * has. Actions keep the counts of how often they were asked for. A publisher that has not adopted what is requested (it is
 * stopped, or slow) has not refused it: then everything stays as requested. */
int reader_take_effective(struct hak_reader *reader, double *current, uint64_t requested, char *error)
{
    double effective[READER_MOST_DESCRIPTORS];
    struct hak_tunable tunable;
    uint64_t generation;
    int code = hak_reader_effective(reader, effective, READER_MOST_DESCRIPTORS, &generation, error);
    if (code != HAK_OK || generation != requested)
        return code;
    for (uint32_t i = 0; code == HAK_OK && i < reader->header.section[HAK_SECTION_REQUESTED].count; i++) {
        code = hak_reader_tunable(reader, i, &tunable, error);
        if (code == HAK_OK && tunable.type != HAK_TYPE_ACTION)
            current[i] = effective[i];
    }
    return code;
}

static int apply_proposal(const struct proposal *proposal, double *current, char *error)
{
    struct hak_tunable tunable;
    int code = HAK_OK;
    for (uint32_t i = 0; code == HAK_OK && i < proposal->count; i++) {
        double *value = &current[proposal->index[i]];
        code = hak_reader_tunable(proposal->reader, proposal->index[i], &tunable, error);
        *value = tunable.type == HAK_TYPE_ACTION ? *value + 1 : proposal->value[i];
    }
    return code;
}

int reader_publish(struct hak_reader *reader, const double *values, uint64_t next, char *error)
{
    const struct hak_section_entry *requested = &reader->header.section[HAK_SECTION_REQUESTED];
    const uint64_t slot_bytes = requested->count * sizeof *values, setter = next << 32 | (uint32_t)getpid();
    /* The order matters: a reader that sees a word of a later set sees, after that, the generation that preceded that set. */
    int code = reader_write(reader, values, slot_bytes, requested->offset + (next & 1) * slot_bytes, error);
    if (code == HAK_OK)
        code = reader_write(reader, &setter, sizeof setter, offsetof(struct hak_header, setter), error);
    return code == HAK_OK ? reader_write(reader, &next, sizeof next, offsetof(struct hak_header, generation), error)
                          : code;
}

/* A set during a lease must also fit the values to go back to: else the publisher could not act on them as a whole. */
static int check_way_back(struct proposal proposal, const double *current, uint32_t count, char *error)
{
    double back[READER_MOST_DESCRIPTORS], value[READER_MOST_DESCRIPTORS];
    memcpy(back, current, count * sizeof *back);
    for (uint32_t i = 0; i < proposal.count; i++)
        back[proposal.index[i]] = proposal.value[i];
    int code = reader_foresee(proposal.reader, back, error);
    for (uint32_t i = 0; i < proposal.count; i++)
        value[i] = back[proposal.index[i]];
    proposal.current = (const void *)back;
    proposal.value = value;
    if (code == HAK_OK)
        code = check_proposal(&proposal, error);
    if (code == HAK_ERROR_CONSTRAINT && error)
        strncat(error, " (an experiment goes back to that)", HAK_ERROR_TEXT_BYTES - strlen(error) - 1);
    return code;
}

static int set_locked(struct proposal proposal, uint64_t *generation, char *error)
{
    struct hak_reader *reader = proposal.reader;
    double current[READER_MOST_DESCRIPTORS];
    uint64_t now;
    int code = reader_begin_set(reader, error);
    if (code == HAK_OK)
        code = hak_reader_requested(reader, current, READER_MOST_DESCRIPTORS, &now, error);
    if (code == HAK_OK && reader->header.is_on_demand && now != READER_START_GENERATION) /* else it was done */
        code = reader_take_effective(reader, current, now, error);
    proposal.current = (const void *)current;
    if (code == HAK_OK)
        code = check_proposal(&proposal, error);
    if (code == HAK_OK)
        code = check_way_back(proposal, current, reader->header.section[HAK_SECTION_REQUESTED].count, error);
    if (code == HAK_OK)
        code = apply_proposal(&proposal, current, error);
    if (code == HAK_OK)
        code = reader_publish(reader, current, now + 1, error);
    if (code == HAK_OK)
        *generation = now + 1;
    return code;
}

int reader_lock(struct hak_reader *reader, char *error)
{
    if (reader->header.flags & HAK_BLOCK_UNKNOWN_VERSION)
        return reader_fail(error, HAK_ERROR_READ_ONLY,
                           "process %u can be watched, not set: what the settings of %s mean is not known",
                           reader->header.pid, reader->header.build);
    if (!reader->writable)
        return reader_fail(error, HAK_ERROR_READ_ONLY,
                           "process %u opens its settings for reading only: start it with HAKMEM_CONTROL=write",
                           reader->header.pid);
    int code = hak_reader_alive(reader, error);
    if (code != HAK_OK)
        return code;
    struct timespec deadline = lock_deadline(CLOCK_REALTIME);
    if (pthread_mutex_timedlock(&reader->set_lock, &deadline) != 0)
        return reader_fail(error, HAK_ERROR_SYSTEM, "another thread is still setting process %u", reader->header.pid);
    code = lock_file(reader, error);
    if (code == HAK_OK)
        code = check_size(reader, error);
    if (code != HAK_OK)
        reader_unlock(reader);
    return code;
}

void reader_unlock(struct hak_reader *reader)
{
    unlock_file(reader);
    reader_wake(reader);
    pthread_mutex_unlock(&reader->set_lock);
}

int hak_reader_set(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                   uint64_t *generation, char *error)
{
    struct proposal proposal = {.reader = reader, .index = index, .value = value, .count = count};
    int code = check_indices(&proposal, error);
    if (code == HAK_OK)
        code = reader_lock(reader, error);
    if (code != HAK_OK)
        return code;
    code = set_locked(proposal, generation, error);
    reader_unlock(reader);
    return code;
}
