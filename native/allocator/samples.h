/* samples.h: keeps the sampled allocations for other processes to read (hak_samples.h), and finds the sample of a block
 * that is freed. sampler.h decides which allocations are sampled.
 *
 *   address --hash--> bucket -> slot -> slot        chains of the samples at the program
 *   oldest freed -> ... -> newest freed             forgotten from the oldest on, so that their slots are empty
 *
 * Addresses, chains and queue lie in memory of the allocator alone. So what another process writes into the table
 * harms nothing.
 *
 * The table is made with the first sample. Its file is one more beside the control block's, with the same rights and the
 * same lock. A child of fork begins without a table: samples of its parent are not its own.
 *
 * The lock is the innermost: under it memory is requested from the system and nothing else is locked. */
#ifndef HAK_SAMPLES_TABLE_H
#define HAK_SAMPLES_TABLE_H

#include "base.h"

/* Notes that the calling thread allocates the block, and copies registers and stack. Returns false, and counts the sample
 * as lost, if there is no room; in a process that confined itself (os.h) it always does. */
bool samples_add(const struct actor *actor, const void *block, size_t requested_bytes, size_t block_bytes,
                 uint64_t interval_bytes);
/* Notes that a sampled block is freed. Does nothing if the sample is not known. */
void samples_end(const void *block);

/* For the process's end: marks the table as that of a process that has exited. */
void samples_stop(void);
void samples_acquire_locks(void);
void samples_release_locks(void);
void samples_reset_locks(void);
void samples_after_fork(void);
bool samples_is_valid(void);

#endif
