/* process_memory.h: what this process took of memory, without allocating any. */
#ifndef HAK_PROCESS_MEMORY_H
#define HAK_PROCESS_MEMORY_H

#include <stdint.h>

/* Most resident memory so far. 0: unknown. */
uint64_t process_peak_resident_bytes(void);
/* What is resident now and no file's or shared memory's. */
uint64_t process_anonymous_bytes(void);

#endif
