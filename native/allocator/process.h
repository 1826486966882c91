/* process.h: start-up, fork and exit of the process. */
#ifndef HAK_PROCESS_H
#define HAK_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Writes for a person why the control block is private. Returns true if that is wanted. */
bool process_control_problem(char *text, size_t bytes);
/* Returns the path of the control block's file, or "" if the block is private. Starts the allocator. */
const char *process_control_path(void);

/* Registers the fork handlers, once. It must be called before any other library registers its own (override_process.c). */
void process_watch_forks(void);

/* Called before the process confines itself (os.h): starts the allocator and ends the purging thread. process_unconfine
 * takes this back if the process failed to confine itself. */
void process_confine(void);
void process_unconfine(void);

#endif
