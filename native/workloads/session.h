/* session.h: one run of a workload: its threads, its clock and its control block (kind "workload").
 * The runner (a process of its own) and in_process.c use it. A process has at most one session at a time. */
#ifndef HAK_WORKLOAD_SESSION_H
#define HAK_WORKLOAD_SESSION_H

#include "request.h"

/* Runs the workload to its end; the calling thread does its share of the operations.
 * `on_ready` is called once, with the path of the control block ("" if that is private). */
void workload_session_run(const struct workload_request *request, struct workload_result *result,
                          void (*on_ready)(const char *path));

/* Stops the session as a set of run.state would. May be called from a signal handler. */
void workload_session_stop(void);

#endif
