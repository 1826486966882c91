/* schedule.h: changes of tunables of this process's own allocator, each made when the run has done a number of
 * operations. Lane 0's thread makes them between two operations, through the control block, as
 * any other process would. So in a run of one thread the allocator adopts each of them at exactly the
 * same place every time. With more threads, lane 0 makes a change when it has done its share of the number. */
#ifndef HAK_WORKLOAD_SCHEDULE_H
#define HAK_WORKLOAD_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_MAX_CHANGES 4096
#define SCHEDULE_NAME_BYTES 48u
#define SCHEDULE_NEVER UINT64_MAX

/* One NAME=VALUE. Changes of the same `set` are made together, all or none. Changes are in order of at_operations. */
struct workload_change {
    uint64_t at_operations; /* counts the operations of all lanes */
    double value;           /* as in the control block: for a choice, its index */
    uint32_t set;
    char name[SCHEDULE_NAME_BYTES];
};

/* Opens the allocator's control block, of this kind, in the folder of the session's. Returns 0, or -1 with one line in
 * `error`. */
int schedule_open(const struct workload_change *changes, uint32_t count, uint32_t lanes, const char *session_path,
                  const char *kind, char *error);
void schedule_close(void);
/* Called when lane 0 has done so many operations. Makes the changes that are due. Returns 0, or -1 with one line in
 * `error`. */
int schedule_apply(uint64_t lane_operations, char *error);
/* The number of operations of lane 0 at which the next set is due, or SCHEDULE_NEVER if there is none. */
uint64_t schedule_next(void);

#endif
