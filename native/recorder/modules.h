/* modules.h: sees to it that the spool has a copy of the maps that shows every call site's module. The caller is
 * inside the recorder. */
#ifndef HAK_MODULES_H
#define HAK_MODULES_H

#include "recording_state.h"

/* Returns how many copies there are if it made one for this call site, else 0. */
uint32_t modules_learn(uint64_t call_site);
/* No call site is known any more. Returns how many copies there are. */
uint32_t modules_forget(void);

#endif
