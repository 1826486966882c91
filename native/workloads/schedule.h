/* schedule.h: tunables of this process's own allocator that are set when the run has done a number of
 * operations. Lane 0's thread sets them itself between two operations, through the control block, as
 * any other process would: so in a run of one thread the allocator sees each of them at exactly the
 * same place every time. With more threads lane 0 stands for all: it sets at its share of the count. */
#ifndef HAK_WORKLOAD_SCHEDULE_H
#define HAK_WORKLOAD_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_MAX_CHANGES 4096
#define SCHEDULE_NAME_BYTES 48u
#define SCHEDULE_NEVER UINT64_MAX

/* One NAME=VALUE; those of the same `set` are set as a whole. In order of at_operations. */
struct workload_change {
    uint64_t at_operations; /* of all lanes together */
    double value;           /* a word, as the control block has it: of a choice, its index */
    uint32_t set;
    char name[SCHEDULE_NAME_BYTES];
};

/* Finds the allocator's block, of this kind, beside the session's. 0, or -1 with one line in `error`. */
int schedule_open(const struct workload_change *changes, uint32_t count, uint32_t lanes, const char *session_path,
                  const char *kind, char *error);
void schedule_close(void);
/* Lane 0 has done so many operations. Sets what is due. 0, or -1 with one line in `error`. */
int schedule_apply(uint64_t lane_operations, char *error);
/* Count of lane 0 at which the next set is due; SCHEDULE_NEVER if none is. */
uint64_t schedule_next(void);

#endif
