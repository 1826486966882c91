/* memory_limit.h: the limit of the memory cgroup, and when idle memory must go back before more is mapped.
 *
 * A process that comes to its cgroup's limit is killed, whatever it could give back. So near the limit (seven eighths
 * of it) frames.c refuses to map more; the refusal unwinds to heap.c, which holds no lock, gives all idle memory back
 * and tries again, this time without being refused. After that STEP bytes may be mapped until the next refusal.
 *
 * Only this process's committed bytes count. What others in the cgroup use is not known, and the cgroup's own figure
 * is of no use: it includes file pages that the kernel can drop.
 *
 * The limit is read when the process has grown by some MiB since it was read last, and never by a process that has
 * confined itself (os.h). All words are relaxed: a refusal more or less does no harm. */
#ifndef HAK_MEMORY_LIMIT_H
#define HAK_MEMORY_LIMIT_H

#include "base.h"

/* Whether `bytes` more must wait until idle memory has gone back. */
bool memory_limit_refuses(size_t bytes);
/* All idle memory has just gone back. */
void memory_limit_note_trim(void);
/* Between these calls nothing is refused: the second try of an allocation must not fail for another thread's growth. */
void memory_limit_suspend(void);
void memory_limit_resume(void);

#endif
