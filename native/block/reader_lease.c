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

static uint64_t end_of(uint32_t length_ms)
{
    return clock_ns() + (uint64_t)length_ms * NS_PER_MS;
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

static int give_back(struct hak_reader *reader, double *values, char *error)
{
    double back[READER_MOST_DESCRIPTORS], held[READER_MOST_DESCRIPTORS];
    const uint32_t count = reader->header.section[HAK_SECTION_REQUESTED].count;
    int code = reader_read(reader, back, count * sizeof *back, slot_offset(reader, SLOT_BACK), error);
    if (code == HAK_OK)
        code = reader_read(reader, held, count * sizeof *held, slot_offset(reader, SLOT_HELD), error);
    if (code != HAK_OK)
        return code;
    hak_give_back(values, back, held, count);
    return HAK_OK;
}

int reader_give_back(struct hak_reader *reader, double *values, char *error)
{
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    return code != HAK_OK || !has_lapsed(&lease) ? code : give_back(reader, values, error);
}

int reader_foresee(struct hak_reader *reader, double *values, char *error)
{
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    return code != HAK_OK || lease.until_ns == 0 ? code : give_back(reader, values, error);
}

static int settle_lease(struct hak_reader *reader, char *error)
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

static int check_no_lease(struct hak_reader *reader, char *error)
{
    struct lease lease;
    int code = read_lease(reader, &lease, error);
    if (code != HAK_OK || lease.until_ns == 0 || has_lapsed(&lease))
        return code;
    return reader_fail(error, HAK_ERROR_LEASED, "process %u is under an experiment of process %u: end that one first",
                       reader->header.pid, (uint32_t)lease.holder);
}

static int fail_lapsed(const struct hak_reader *reader, char *error)
{
    return reader_fail(error, HAK_ERROR_LEASED,
                       "the lease on the settings of process %u has lapsed: the process went back by itself",
                       reader->header.pid);
}

/* Reads the caller's own lease. Fails if it does not hold any more. */
static int read_own_lease(struct hak_reader *reader, uint64_t holder, struct lease *lease, char *error)
{
    int code = read_lease(reader, lease, error);
    if (code == HAK_OK && lease->until_ns != 0 && lease->holder == holder && !has_lapsed(lease))
        return HAK_OK;
    if (reader->holder == holder)
        reader->holder = 0;
    if (code != HAK_OK || (lease->until_ns != 0 && lease->holder == holder))
        return code != HAK_OK ? code : fail_lapsed(reader, error);
    return reader_fail(error, HAK_ERROR_LEASED, "the lease on the settings of process %u was ended by another setter",
                       reader->header.pid);
}

int reader_begin_set(struct hak_reader *reader, char *error)
{
    struct lease lease;
    return reader->holder ? read_own_lease(reader, reader->holder, &lease, error) : settle_lease(reader, error);
}

struct request {
    const uint32_t *index;
    const double *back, *held;
    uint32_t count, length_ms;
    uint64_t holder;
};

static int take_locked(struct hak_reader *reader, const struct request *request, char *error)
{
    double back[READER_MOST_DESCRIPTORS], held[READER_MOST_DESCRIPTORS];
    const uint32_t count = reader->header.section[HAK_SECTION_REQUESTED].count;
    int code = check_no_lease(reader, error);
    if (code == HAK_OK)
        code = settle_lease(reader, error);
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
    if (code == HAK_OK)
        code = write_end(reader, end_of(request->length_ms), error);
    if (code == HAK_OK)
        reader->holder = request->holder;
    return code;
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
        .length_ms = length_ms,
        .holder = name_holder(number),
    };
    int code = reader_lock(reader, error);
    if (code != HAK_OK)
        return code;
    code = take_locked(reader, &request, error);
    reader_unlock(reader);
    return code;
}

/* If the lease lapsed while it was written, the publisher may have gone back already. Then it is to have lapsed. */
static int write_locked(struct hak_reader *reader, uint64_t holder, uint64_t until_ns, char *error)
{
    struct lease former;
    int code = read_own_lease(reader, holder, &former, error);
    if (code == HAK_OK)
        code = write_end(reader, until_ns, error);
    if (code == HAK_OK && reader->holder == holder && until_ns == 0)
        reader->holder = 0;
    if (code != HAK_OK || !has_lapsed(&former))
        return code;
    code = write_end(reader, former.until_ns, error);
    if (code == HAK_OK)
        code = settle_lease(reader, error);
    return code == HAK_OK ? fail_lapsed(reader, error) : code;
}

static int write_lease(struct hak_reader *reader, uint32_t number, uint64_t until_ns, char *error)
{
    int code = reader_lock(reader, error);
    if (code != HAK_OK)
        return code;
    code = write_locked(reader, name_holder(number), until_ns, error);
    reader_unlock(reader);
    return code;
}

int hak_reader_renew_lease(struct hak_reader *reader, uint32_t number, uint32_t length_ms, char *error)
{
    return write_lease(reader, number, end_of(length_ms), error);
}

int hak_reader_end_lease(struct hak_reader *reader, uint32_t number, char *error)
{
    return write_lease(reader, number, 0, error);
}
