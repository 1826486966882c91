/* modules.h: makes copies of /proc/self/maps in the spool, so that one of them shows the module of each call site. The
 * calling thread must be marked as inside the recorder. */
#ifndef HAK_MODULES_H
#define HAK_MODULES_H

#include "recording_state.h"

/* Makes a copy if none shows the call site. Returns how many copies there are then, or 0 if it made none. */
uint32_t modules_learn(uint64_t call_site);
/* Forgets all known call sites. Returns how many copies there are. */
uint32_t modules_forget(void);

#endif
