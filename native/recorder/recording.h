/* recording.h: takes a number for each record and stores it. calls.c and cxx_calls.c use it.
 *
 * No function here allocates, and all system calls are made so that they are no cancellation points. The lock is held
 * while a segment is made and while the maps are read. A thread inside the recorder records nothing, even if a signal
 * handler or a destructor interrupts it and allocates. */
#ifndef HAK_RECORDING_H
#define HAK_RECORDING_H

#include "recording_state.h"

/* Stores one record if the process is recorded. */
void recording_append(enum spool_kind kind, const void *block, size_t bytes, size_t alignment,
                      const void *call_site);

/* Starts the recording of this process image. Returns true if the recording is on. */
bool recording_start(void);

/* Starts one in a program that runs already, into this folder; a former one must be over. Returns 0 or an errno: EBUSY
 * if it is recorded already. */
int recording_start_in(const char *folder);

/* Ends it while the program goes on. Threads that store a record just then store it. */
void recording_stop(void);

/* Notes that the process ends by itself, not by a signal. */
void recording_end(void);

/* Called after a library was unloaded: the next library may get its addresses. */
void recording_forget_modules(void);

#endif
