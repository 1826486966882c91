/* in_process.h: runs a workload inside the calling process, with the allocator that is linked into it under hak_
 * names. It is for exploring, because the run shares the process with everything else. One run at a time. */
#ifndef HAK_WORKLOAD_IN_PROCESS_H
#define HAK_WORKLOAD_IN_PROCESS_H

#include "session.h"

/* Checks a request, starts it, and returns once its control block can be opened. Returns 0, or -1 with one line
 * in `error` (WORKLOAD_ERROR_BYTES). If `operations` is 0, the run lasts `seconds`. `parameters` has one value for each
 * parameter of the workload. */
int hak_workload_start(const char *name, const double *parameters, uint32_t threads, uint64_t seed,
                       double seconds, uint64_t operations, int starts_paused, char *error);
/* The path of the run's control block, whose run.state pauses, resumes and stops the run. */
const char *hak_workload_path(void);
/* Returns 1 if the run has ended, with *result filled in; 0 if it still runs; -1 if none was started. */
int hak_workload_poll(struct workload_result *result);
/* Stops the run, if there is one, and waits for its end. */
void hak_workload_stop(void);

#endif
