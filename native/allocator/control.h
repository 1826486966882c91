/* control.h: the allocator's own control block: made at start, generation watched, settings adopted.
 *
 *   setter: slot[(g + 1) & 1] = values, then generation = g + 1 (release)
 *   thread: generation != its own? -> slow path: control_adopt -> settings -> its bins' limits -> adopted = g + 1
 *
 * The generation is acquired on slow paths alone; a copy that was torn is seen by the recheck and left for
 * the next time. One process, one block: a child of fork makes its own. */
#ifndef HAK_CONTROL_H
#define HAK_CONTROL_H

#include "base.h"
#include "settings.h"
#include "telemetry.h"
#include "writer.h"

/* Reads the environment, publishes the block, points `telemetry` into it. Once, single-threaded.
 * False if the system has no memory at all. */
bool control_start(void);
void control_reset_locks(void);
/* In a forked child: a block of its own. */
void control_after_fork(void);
void control_stop(void);

/* One relaxed-cost load: the generation that was last requested. */
static inline uint64_t control_generation(void)
{
    return hak_block_generation(&control_block);
}

/* Makes the newest requested settings current, if they are newer than what is. Returns the generation
 * that is current then. Takes settings_lock; cheap when there is nothing to do. */
uint64_t control_adopt(const struct actor *actor);

/* Asks for one value in this process's memory: for a block that no other process can write, where a set through
 * the file is not possible. False: there is no block. */
bool control_request(enum tunable tunable, double value);

/* Readers look at so many rows from now on. They are made present first: on a full tmpfs the first touch
 * would be SIGBUS. False where their pages cannot be had. */
bool control_set_shard_rows(uint32_t rows);
bool control_set_thread_rows(uint32_t rows);
/* Rows that may be read and written. */
uint32_t control_shard_rows(void);
uint32_t control_thread_rows(void);

#endif
