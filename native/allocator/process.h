/* process.h: what concerns the process as a whole: start-up, fork, exit. */
#ifndef HAK_PROCESS_H
#define HAK_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Why it is private, for a person; true if that is wanted. */
bool process_control_problem(char *text, size_t bytes);
/* Path of the control block's file; "" if private. Starts the allocator. */
const char *process_control_path(void);

#endif
