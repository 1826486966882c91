/* control.h: makes the allocator's control block at the start, compares its generation, and adopts settings.
 *
 *   setter: slot[(g + 1) & 1] = values, then generation = g + 1 (release)
 *   thread: generation != its own? -> slow path: control_adopt -> settings -> its bins' limits -> adopted = g + 1
 *
 * The generation is read (acquire) on slow paths only. If a setter changed the values while they were copied, the second
 * look at the generation shows it, and the settings are adopted the next time. Each process has one block: a child of fork
 * makes its own. */
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
/* The values of the control block: those of the tunables, and then how often each action was asked for, or was done. */
enum { CONTROL_VALUE_COUNT = TUNABLE_COUNT + ACTION_COUNT };

/* Whether the program's malloc is this allocator's. Only libhakmem.so defines this function; a program that links the
 * allocator calls hak_malloc and has another malloc. Its control block has a kind of its own, hakmem-hak, because
 * libhakmem.so may be in the same process. */
__attribute__((weak)) bool control_serves_malloc(void);

/* Reads the environment, publishes the control block, and points `telemetry` into it. Called once, by one thread. Returns
 * false if there is no memory. */
bool control_start(void);
void control_reset_locks(void);
/* Gives a forked child a control block of its own. */
void control_after_fork(void);
void control_stop(void);

/* The generation that was last requested. Reading it costs one plain load. */
static inline uint64_t control_generation(void)
{
    return hak_block_generation(&control_block);
}

/* Whether somebody holds a lease on settings (hak_block.h), and what notices that it has lapsed. The purging thread says
 * whether it notices that; it stores false, sequentially consistent, before it looks for a lease a last time. */
extern _Atomic bool control_lease_is_watched;
static inline bool control_is_leased(void)
{
    return hak_block_is_leased(&control_block);
}
static inline void control_note_lapse(void)
{
    hak_block_note_lapse(&control_block);
}

/* Adopts the newest requested settings if they are newer than the current ones. Returns the generation that is current
 * then. While a lease holds, it waits for the purging thread, without which a program that makes no more calls of the
 * allocator would not go back. Takes settings_lock only if there are newer settings. */
uint64_t control_adopt(const struct actor *actor);

/* How often an action had been asked for in the generation that was adopted last. */
uint64_t control_asked(enum action action);
/* Returns true if the action is to be done and no other thread has begun it. The caller then does it and calls
 * control_end_action. */
bool control_begin_action(enum action action, uint64_t *asked);
/* `asked` is the value from control_begin_action. The others are the resident bytes before and after the action. */
void control_end_action(const struct actor *actor, enum action action, uint64_t asked, uint64_t before, uint64_t after);

/* Requests a value of one tunable directly in this process's memory, for a control block that cannot be set through its
 * file. Returns false if there is no block. */
bool control_request(enum tunable tunable, double value);

/* Makes readers look at so many rows from now on. The rows are made present first, because on a full tmpfs the first
 * access would raise SIGBUS. Returns false if there are no pages for them. */
bool control_set_shard_rows(uint32_t rows);
bool control_set_thread_rows(uint32_t rows);
/* The same for all rows of ghosts. Every call after the first that succeeded does nothing. */
bool control_show_ghosts(void);
/* Rows that may be read and written. */
uint32_t control_shard_rows(void);
uint32_t control_thread_rows(void);

#endif
