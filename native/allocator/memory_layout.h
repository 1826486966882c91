/* memory_layout.h: tells readers outside the process where the allocator's records lie (include/hak_memory.h). */
#ifndef HAK_MEMORY_LAYOUT_H
#define HAK_MEMORY_LAYOUT_H

#include <stdbool.h>

/* The last step of the start. Returns true. */
bool memory_layout_publish(void);

#endif
