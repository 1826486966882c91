/* process.h: what concerns the process as a whole: start-up, fork, exit. */
#ifndef HAK_PROCESS_H
#define HAK_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Why it is private, for a person; true if that is wanted. */
bool process_control_problem(char *text, size_t bytes);
/* Path of the control block's file; "" if private. Starts the allocator. */
const char *process_control_path(void);

/* Registers the handlers of fork, once; before any other library registers its own (override_process.c). */
void process_watch_forks(void);

/* The process is about to confine itself (os.h): the allocator is started, and its thread is gone. `process_unconfine`
 * if that failed. */
void process_confine(void);
void process_unconfine(void);

#endif
