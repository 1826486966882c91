/* call_site.h: a number for a call site that is the same in every run: the return address minus the base of the module
 * (program or library) that contains it. */
#ifndef HAK_CALL_SITE_H
#define HAK_CALL_SITE_H

#include <stdint.h>

/* An address in no module (generated code) is returned unchanged. It takes no lock and does not allocate, because it reads
 * the table of modules that glibc keeps for unwinding. glibc before 2.35 has none, and every address is unchanged. */
uint64_t call_site_id(void *return_address);

#endif
