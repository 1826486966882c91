/* in_process.h: a workload inside the calling process, on the allocator linked into it under its hak_
 * names. For exploring: the run shares the process with everything else. One at a time. */
#ifndef HAK_WORKLOAD_IN_PROCESS_H
#define HAK_WORKLOAD_IN_PROCESS_H

#include "session.h"

/* Starts a checked request and returns once its control block can be opened. 0, or -1 with one line
 * in `error` (WORKLOAD_ERROR_BYTES). `operations` of 0: by seconds. `parameters`: one a parameter. */
int hak_workload_start(const char *name, const double *parameters, uint32_t threads, uint64_t seed,
                       double seconds, uint64_t operations, int starts_paused, char *error);
/* Path of the run's control block; pause, resume and stop through its run.state. */
const char *hak_workload_path(void);
/* 1: ended, *result is filled. 0: still running. -1: none was started. */
int hak_workload_poll(struct workload_result *result);
/* Stops the run if one is there, and waits for its end. */
void hak_workload_stop(void);

#endif
