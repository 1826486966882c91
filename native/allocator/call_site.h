/* call_site.h: names the place of a call so that the name holds across runs: return address minus the base
 * of the module (program or library) it lies in. */
#ifndef HAK_CALL_SITE_H
#define HAK_CALL_SITE_H

#include <stdint.h>

/* An address in no module (generated code) stays what it is. No lock, no allocation: glibc's own table of
 * modules, which it keeps for unwinding (2.35 and later; before, every address stays what it is). */
uint64_t call_site_id(void *return_address);

#endif
