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

enum action {
#define HAK_ACTION(field, ...) ACTION_##field,
#include "actions.def"
#undef HAK_ACTION
    ACTION_COUNT
};
/* The values of the block: the tunables, then how often each action was asked for, or was done. */
enum { CONTROL_VALUE_COUNT = TUNABLE_COUNT + ACTION_COUNT };

/* Whether the program's malloc is ours. Only libhakmem.so defines it; elsewhere the program has hak_malloc besides. */
__attribute__((weak)) bool control_serves_malloc(void);

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

/* How often an action was asked for, as of the generation that was adopted last. */
uint64_t control_asked(enum action action);
/* Whether the action is to be done, and the caller is the first who asks: then control_end_action follows. */
bool control_begin_action(enum action action, uint64_t *asked);
/* `asked`: as it was at the begin. The values are the resident bytes before and after. */
void control_end_action(const struct actor *actor, enum action action, uint64_t asked, uint64_t before, uint64_t after);

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
