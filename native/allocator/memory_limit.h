/* memory_limit.h: the limit of the memory cgroup, and when idle memory must be given back before more is mapped.
 *
 * A process that reaches its cgroup's limit is killed, however much it could give back. So above seven eighths of the
 * limit frames.c refuses to map more. The refusal unwinds to heap.c, which holds no lock, gives all idle memory back
 * and tries again; the second try is not refused. After that, STEP_BYTES may be mapped until the next refusal.
 *
 * Only this process's committed bytes count. The memory of other processes in the cgroup is not known, and the cgroup's
 * own figure is of no use, because it includes file pages that the kernel can drop.
 *
 * The limit is read again each time the process has grown by some MiB, but never by a process that has
 * confined itself (os.h). All words are relaxed: one refusal more or less does no harm. */
#ifndef HAK_MEMORY_LIMIT_H
#define HAK_MEMORY_LIMIT_H

#include "base.h"

/* Whether idle memory must be given back before `bytes` more are mapped. */
bool memory_limit_refuses(size_t bytes);
/* Called after all idle memory was given back. */
void memory_limit_note_trim(void);
/* Between these two calls nothing is refused, so that the second try of an allocation does not fail because another thread
 * grows. */
void memory_limit_suspend(void);
void memory_limit_resume(void);

#endif
