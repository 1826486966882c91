/* recording.h: takes the number of a record and stores it. Used by calls.c and cxx_calls.c.
 *
 * Nothing here allocates, and only system calls are made that are no cancellation points. The lock is held
 * while a segment is made and while the maps are read; a thread inside the recorder (a signal's handler, or
 * a destructor) records nothing. */
#ifndef HAK_RECORDING_H
#define HAK_RECORDING_H

#include "recording_state.h"

/* Stores one record, if the process is recorded. */
void recording_append(enum spool_kind kind, const void *block, size_t bytes, size_t alignment,
                      const void *call_site);

/* Starts the recording of this process image; true if it is on. */
bool recording_start(void);

/* Says that the process ends as it wants to. */
void recording_end(void);

/* A library is gone: its addresses may be those of the next one. */
void recording_forget_modules(void);

#endif
