/* process_memory.h: the memory of this process, measured without allocating any. */
#ifndef HAK_PROCESS_MEMORY_H
#define HAK_PROCESS_MEMORY_H

#include <stdint.h>

/* The largest resident memory so far, or 0 if it is not known. */
uint64_t process_peak_resident_bytes(void);
/* The resident memory without pages of files and shared memory. */
uint64_t process_anonymous_bytes(void);

#endif
