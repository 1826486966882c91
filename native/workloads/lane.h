/* lane.h: the body of a lane's thread, and the functions that the workload's driver may call in it. */
#ifndef HAK_WORKLOAD_LANE_H
#define HAK_WORKLOAD_LANE_H

#include "workload.h"

/* Maps zeroed memory for a driver's state, directly from the system. If it fails, it reports that and returns NULL. */
void *workload_map(struct workload_lane *lane, size_t bytes);
void workload_unmap(void *memory, size_t bytes);

/* Returns zeroed memory that all lanes of the run share. Lanes call it in prepare, with the same number of bytes; the first
 * call maps it. All lanes have prepared before one runs, and all have run before one finishes; after the last one has
 * finished, the memory is unmapped. If it fails, it reports that and returns NULL. */
void *workload_share(struct workload_lane *lane, size_t bytes);

/* Called in each turn of a loop that waits for another lane. It waits while the run is paused. Returns false if the run is
 * over; the driver then returns WORKLOAD_DONE. The lanes' shares of operations differ by at most one, and the first lanes
 * have the larger shares. So a lane may only wait for something that another lane does in fewer operations than this lane
 * has done. */
bool workload_wait(struct workload_lane *lane);

/* Is idle for this time, or until a pause has ended. Returns false if the run is over. */
bool workload_rest(struct workload_lane *lane, uint32_t ms);

/* The slow path of workload_continue: publishes the lane's count, and waits while the run is paused. */
bool workload_checkpoint(struct workload_lane *lane);

/* Counts one operation. Returns false if the run is over for this lane; the driver then returns WORKLOAD_DONE. */
static inline bool workload_continue(struct workload_lane *lane)
{
    return --lane->countdown != 0 || workload_checkpoint(lane);
}

/* Number of periods of `period_ms` since the start, by time or by operations, whichever the run is measured in. */
uint64_t workload_period(const struct workload_lane *lane, double period_ms);

/* Ends the whole run as failed, with one line of text. The driver then returns WORKLOAD_FAILED. */
void workload_fail(struct workload_lane *lane, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The body of a lane's thread. Its argument is the lane_slot. */
void *lane_thread(void *argument);

#endif
