/* reader_lease.c: leases on settings (hak_block.h), as their holders and other setters see them. A holder that dies at any
 * point leaves either no lease and the settings as they were, or a lease that lapses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_MS = 1000000 };

struct lease {
    uint64_t until_ns, holder;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Without a lease, `until_ns` is 0. */
static int read_lease(struct hak_reader *reader, struct lease *lease, char *error)
{
    *lease = (struct lease){0, 0};
    if (!(reader->header.flags & HAK_BLOCK_KEEPS_LEASES))
        return HAK_OK;
    return reader_read(reader, lease, sizeof *lease, offsetof(struct hak_header, lease_until_ns), error);
}

static int has_lapsed(const struct lease *lease)
{
    return lease->until_ns != 0 && clock_ns() >= lease->until_ns;
}

static uint64_t slot_offset(const struct hak_reader *reader, uint64_t slot)
{
    const struct hak_section_entry *requested = &reader->header.section[HAK_SECTION_REQUESTED];
    return requested->offset + slot * requested->count * sizeof(double);
}

enum { SLOT_BACK = 2, SLOT_HELD = 3 };

static int write_end(struct hak_reader *reader, uint64_t until_ns, char *error)
{
    return reader_write(reader, &until_ns, sizeof until_ns, offsetof(struct hak_header, lease_until_ns), error);
}

int reader_give_back(struct hak_reader *reader, double *values, char *error)
{
    double back[READER_MOST_DESCRIPTORS], held[READER_MOST_DESCRIPTORS];
    const uint32_t count = reader->header.section[HAK_SECTION_REQUESTED].count;
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    if (code != HAK_OK || !has_lapsed(&lease))
        return code;
    code = reader_read(reader, back, count * sizeof *back, slot_offset(reader, SLOT_BACK), error);
    if (code == HAK_OK)
        code = reader_read(reader, held, count * sizeof *held, slot_offset(reader, SLOT_HELD), error);
    if (code != HAK_OK)
        return code;
    hak_give_back(values, back, held, count);
    return HAK_OK;
}

int reader_settle_lease(struct hak_reader *reader, char *error)
{
    double values[READER_MOST_DESCRIPTORS];
    uint64_t generation;
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    if (code != HAK_OK || !has_lapsed(&lease))
        return code;
    code = hak_reader_requested(reader, values, READER_MOST_DESCRIPTORS, &generation, error); /* as they are to be */
    if (code == HAK_OK)
        code = reader_publish(reader, values, generation + 1, error);
    return code == HAK_OK ? write_end(reader, 0, error) : code;
}

/* ---- holding -------------------------------------------------------------------------------- */

static uint64_t name_holder(uint32_t number)
{
    return (uint64_t)number << 32 | (uint32_t)getpid();
}

/* Whether the publisher's clock is this process's. */
static int shares_clock(const struct hak_reader *reader)
{
    struct stat status;
    return stat("/proc/self/ns/time", &status) != 0 || reader->header.time_namespace == 0 ||
           reader->header.time_namespace == (uint64_t)status.st_ino;
}

static int check_lease(struct hak_reader *reader, uint64_t holder, int is_new, char *error)
{
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    int is_ours = lease.holder == holder && lease.until_ns != 0;
    if (code != HAK_OK)
        return code;
    if (is_new)
        return lease.until_ns == 0 || has_lapsed(&lease)
                   ? HAK_OK
                   : reader_fail(error, HAK_ERROR_LEASED,
                                 "process %u is under an experiment of process %u: end that one first",
                                 reader->header.pid, (uint32_t)lease.holder);
    if (is_ours && !has_lapsed(&lease))
        return HAK_OK;
    return reader_fail(error, HAK_ERROR_LEASED,
                       is_ours ? "the lease on the settings of process %u has lapsed: the process went back by itself"
                               : "the lease on the settings of process %u was ended by another setter",
                       reader->header.pid);
}

struct request {
    const uint32_t *index;
    const double *back, *held;
    uint32_t count;
    uint64_t holder, until_ns;
};

static int take_locked(struct hak_reader *reader, const struct request *request, char *error)
{
    double back[READER_MOST_DESCRIPTORS], held[READER_MOST_DESCRIPTORS];
    const uint32_t count = reader->header.section[HAK_SECTION_REQUESTED].count;
    int code = check_lease(reader, request->holder, 1, error);
    if (code == HAK_OK)
        code = reader_settle_lease(reader, error);
    for (uint32_t i = 0; i < count; i++)
        back[i] = held[i] = NAN;
    for (uint32_t i = 0; i < request->count; i++) {
        back[request->index[i]] = request->back[i];
        held[request->index[i]] = request->held[i];
    }
    if (code == HAK_OK)
        code = reader_write(reader, back, count * sizeof *back, slot_offset(reader, SLOT_BACK), error);
    if (code == HAK_OK)
        code = reader_write(reader, held, count * sizeof *held, slot_offset(reader, SLOT_HELD), error);
    if (code == HAK_OK)
        code = reader_write(reader, &request->holder, sizeof request->holder,
                            offsetof(struct hak_header, lease_holder), error);
    return code == HAK_OK ? write_end(reader, request->until_ns, error) : code;
}

int hak_reader_take_lease(struct hak_reader *reader, const uint32_t *index, const double *back, const double *held,
                          uint32_t count, uint32_t number, uint32_t length_ms, char *error)
{
    if (!(reader->header.flags & HAK_BLOCK_KEEPS_LEASES))
        return reader_fail(error, HAK_ERROR_READ_ONLY,
                           "process %u cannot go back by itself: what publishes its settings is too old; start it again",
                           reader->header.pid);
    if (!shares_clock(reader))
        return reader_fail(error, HAK_ERROR_READ_ONLY,
                           "process %u has another clock (time namespace), so it could not go back by itself in time",
                           reader->header.pid);
    for (uint32_t i = 0; i < count; i++)
        if (index[i] >= reader->header.section[HAK_SECTION_REQUESTED].count)
            return reader_fail(error, HAK_ERROR_UNKNOWN, "there is no tunable number %u", index[i]);
    const struct request request = {
        .index = index,
        .back = back,
        .held = held,
        .count = count,
        .holder = name_holder(number),
        .until_ns = clock_ns() + (uint64_t)length_ms * NS_PER_MS,
    };
    int code = reader_lock(reader, error);
    if (code != HAK_OK)
        return code;
    code = take_locked(reader, &request, error);
    reader_unlock(reader);
    return code;
}

static int write_lease(struct hak_reader *reader, uint32_t number, uint64_t until_ns, char *error)
{
    int code = reader_lock(reader, error);
    if (code != HAK_OK)
        return code;
    code = check_lease(reader, name_holder(number), 0, error);
    if (code == HAK_OK)
        code = write_end(reader, until_ns, error);
    reader_unlock(reader);
    return code;
}

int hak_reader_renew_lease(struct hak_reader *reader, uint32_t number, uint32_t length_ms, char *error)
{
    return write_lease(reader, number, clock_ns() + (uint64_t)length_ms * NS_PER_MS, error);
}

int hak_reader_end_lease(struct hak_reader *reader, uint32_t number, char *error)
{
    return write_lease(reader, number, 0, error);
}
