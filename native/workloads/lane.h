/* lane.h: what a lane's thread does for the run, and what the workload's driver may call in it. */
#ifndef HAK_WORKLOAD_LANE_H
#define HAK_WORKLOAD_LANE_H

#include "workload.h"

/* Zeroed memory for a driver's state, straight from the system. NULL: failed and reported. */
void *workload_map(struct workload_lane *lane, size_t bytes);
void workload_unmap(void *memory, size_t bytes);

/* Zeroed memory that all lanes of the run see, made by the first to ask, in prepare; all ask for as many
 * bytes. Every lane has prepared before one runs, and has run before one finishes; the memory goes
 * after the last. NULL: failed and reported. */
void *workload_share(struct workload_lane *lane, size_t bytes);

/* One look around in a loop that waits for another lane; waits out a pause. False: the run is over,
 * return WORKLOAD_DONE. Shares of operations differ by one at most and the first lanes have the larger:
 * a lane may wait only for what another does in fewer operations than it has done itself. */
bool workload_wait(struct workload_lane *lane);

/* Stands idle for so long, or until a pause has passed. False: the run is over. */
bool workload_rest(struct workload_lane *lane, uint32_t ms);

/* The slow end of workload_continue: publishes the lane's count, waits out a pause. */
bool workload_checkpoint(struct workload_lane *lane);

/* Counts one operation. False: the run is over for this lane, return WORKLOAD_DONE. */
static inline bool workload_continue(struct workload_lane *lane)
{
    return --lane->countdown != 0 || workload_checkpoint(lane);
}

/* Number of periods of `period_ms` since the start, by time or by operations as the run is. */
uint64_t workload_period(const struct workload_lane *lane, double period_ms);

/* Ends the whole run as failed, with one line of text. Return WORKLOAD_FAILED afterwards. */
void workload_fail(struct workload_lane *lane, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The body of a lane's thread; its argument is the slot. */
void *lane_thread(void *argument);

#endif
