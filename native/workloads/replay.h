/* replay.h: opens the plan of the workload `replay`, for the runner's command line. */
#ifndef HAK_WORKLOAD_REPLAY_H
#define HAK_WORKLOAD_REPLAY_H

#include "workload.h"

/* Opens the plan, which stays open until the process ends, and sets *lane_count to the number of lanes that it needs.
 * Returns 0, or -1 with one line in `error` (REPLAY_ERROR_BYTES). */
int replay_open(const char *path, uint32_t *lane_count, char *error);

#endif
