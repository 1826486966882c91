/* request.h: the request for a run, and its result. */
#ifndef HAK_WORKLOAD_REQUEST_H
#define HAK_WORKLOAD_REQUEST_H

#include "schedule.h"
#include "workload.h"

/* What to run. If `operations` is 0, the run lasts `seconds`; otherwise all threads together do that many operations. */
struct workload_request {
    const struct workload *workload;
    double parameters[WORKLOAD_MAX_PARAMETERS];
    uint32_t threads;
    uint64_t seed, operations;
    double seconds; /* without pauses */
    bool starts_paused;
    const struct workload_change *changes; /* changes of settings during the run, in order (schedule.h) */
    uint32_t change_count;
    const char *allocator_kind; /* kind of the control block in which the changes are made */
};

enum workload_status { WORKLOAD_STATUS_COMPLETED, WORKLOAD_STATUS_STOPPED, WORKLOAD_STATUS_FAILED };

struct workload_result {
    enum workload_status status;
    uint64_t operations, checksum, peak_resident_bytes;
    double elapsed_s; /* without pauses, prepare and finish */
    char error[WORKLOAD_ERROR_BYTES];
};

/* Fills in the request with all parameters at their defaults. */
void workload_request_init(struct workload_request *request, const struct workload *workload);
/* Both return 0, or -1 with one line in `error` that names the thing, the value and the range. */
int workload_request_set(struct workload_request *request, const char *name, double value, char *error);
int workload_request_check(const struct workload_request *request, char *error);

const char *workload_status_name(enum workload_status status);

#endif
