/* tls_cache.h: a thread's cache: one bin (bin.h) for each size class. Small and mid-size classes have the same
 * kind of bin: it grows and shrinks with use.
 *
 * countdown: after `granted` pops of a bin, one pop takes the slow path. The bins in use share
 * ALLOCATIONS_PER_LOOK among them, so any ALLOCATIONS_PER_LOOK allocations of a thread, however spread
 * over its bins, make it look at the settings' generation.
 *
 * A bin without slots (base NULL) has not been used yet. It counts as empty and as full, so that both calls take the
 * slow path. All bins of the stand-in and of a new thread are like that. Its capacity is published as 0.
 *
 * Single-threaded but for the telemetry row. The bin `none` is always empty and full: what is no block of a
 * size class falls through to the slow path. The fast path is in fast_path.h. */
#ifndef HAK_TLS_CACHE_H
#define HAK_TLS_CACHE_H

#include "bin.h"

/* The stand-in: every bin empty and full, no range: everything takes the slow path. */
extern struct tls_cache tls_cache_none;
extern __thread struct tls_cache *tls_cache __attribute__((tls_model("initial-exec")));
/* tls_cache, or the stand-in: of the calls that are defined by others (override_replaced.h). */
extern __thread struct tls_cache *derived_cache __attribute__((tls_model("initial-exec")));

/* A cache for the calling thread, or NULL: no memory. Does not set tls_cache. */
struct tls_cache *tls_cache_create(unsigned heap);
/* Adopts the settings and fills the bins with what tls.prewarm_slots asks for. To be called first. */
void tls_cache_begin(struct tls_cache *cache);
/* Gives all blocks back, retires the telemetry row, keeps the memory for another thread. */
void tls_cache_destroy(struct tls_cache *cache);
/* In a forked child: all caches but the survivor's are forgotten (their blocks stay out). */
void tls_cache_reset_locks(void);
void tls_cache_after_fork(struct tls_cache *survivor);

/* Slow paths of a real cache. A block, or NULL: no memory. */
void *tls_cache_allocate(struct tls_cache *cache, unsigned class_index);
void tls_cache_free(struct tls_cache *cache, unsigned class_index, void *block);
/* The same for a block that is on its way home to another heap (outbox.h). */
void tls_cache_free_foreign(struct tls_cache *cache, unsigned class_index, void *block);

/* Counts one operation that no bin saw (L2.5, big) and looks after the clock and the generation. */
void tls_cache_poll(struct tls_cache *cache);
/* The same look, of a thread that waits: nothing is counted. */
void tls_cache_look(struct tls_cache *cache);
/* Brings the thread's telemetry up to this moment; of what it holds, of one class. */
void tls_cache_publish(struct tls_cache *cache);
void tls_cache_publish_held(struct tls_cache *cache, unsigned class_index);
/* The range may have grown: until a thread sees that, blocks of the new part take the slow path. */
static inline void tls_cache_see_range(struct tls_cache *cache)
{
    if (cache->range_limit) /* else the fast paths are off, or there is no range */
        cache->range_limit = range_bytes() / 8;
}
/* Gives every cached block back and forgets what was adapted. Returns how many blocks. */
unsigned tls_cache_flush(struct tls_cache *cache);

bool tls_cache_is_valid(const struct tls_cache *cache);
void tls_cache_acquire_locks(void);
void tls_cache_release_locks(void);

#endif
