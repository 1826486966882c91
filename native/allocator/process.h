/* process.h: what concerns the process as a whole: start-up, fork, exit. */
#ifndef HAK_PROCESS_H
#define HAK_PROCESS_H

/* Path of the control block's file; "" if private. Starts the allocator. */
const char *process_control_path(void);
/* Takes the control block back. Safe in signal handlers and in a vfork child, which it does not concern. */
void process_end(void);

#endif
