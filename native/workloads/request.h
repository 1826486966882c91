/* request.h: what to run, and what came of it. */
#ifndef HAK_WORKLOAD_REQUEST_H
#define HAK_WORKLOAD_REQUEST_H

#include "schedule.h"
#include "workload.h"

/* What to run: by seconds if `operations` is 0, else by that many operations of all threads together. */
struct workload_request {
    const struct workload *workload;
    double parameters[WORKLOAD_MAX_PARAMETERS];
    uint32_t threads;
    uint64_t seed, operations;
    double seconds; /* without pauses */
    bool starts_paused;
    const struct workload_change *changes; /* in order; what is set meanwhile (schedule.h) */
    uint32_t change_count;
    const char *allocator_kind; /* of the control block that changes are set in */
};

enum workload_status { WORKLOAD_STATUS_COMPLETED, WORKLOAD_STATUS_STOPPED, WORKLOAD_STATUS_FAILED };

struct workload_result {
    enum workload_status status;
    uint64_t operations, checksum, peak_resident_bytes;
    double elapsed_s; /* without pauses, preparation and clearing up */
    char error[WORKLOAD_ERROR_BYTES];
};

/* Parameters at their defaults. */
void workload_request_init(struct workload_request *request, const struct workload *workload);
/* 0, or -1 with one line in `error` that names the thing, the value and the range. */
int workload_request_set(struct workload_request *request, const char *name, double value, char *error);
int workload_request_check(const struct workload_request *request, char *error);

const char *workload_status_name(enum workload_status status);

#endif
