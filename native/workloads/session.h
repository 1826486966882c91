/* session.h: one run of a workload: its threads, its clock and its control block (kind "workload").
 * Used by the runner (a process of its own) and by in_process.c. One session a process at a time. */
#ifndef HAK_WORKLOAD_SESSION_H
#define HAK_WORKLOAD_SESSION_H

#include "schedule.h"
#include "workload.h"

#define WORKLOAD_ERROR_BYTES 256u

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

/* Runs to the end; the calling thread does its share of the work.
 * `on_ready` is called once with the path of the control block ("" if it is private). */
void workload_session_run(const struct workload_request *request, struct workload_result *result,
                          void (*on_ready)(const char *path));

/* Stops the session as a set of run.state would. May be called from a signal handler. */
void workload_session_stop(void);

const char *workload_status_name(enum workload_status status);

#endif
