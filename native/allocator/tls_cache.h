/* tls_cache.h: a thread's cache, which has one bin (bin.h) for each size class. Small and mid-size classes have the same
 * kind of bin, which grows and shrinks with use.
 *
 * Countdown: after `granted` pops of a bin, one pop takes the slow path. The bins in use share
 * ALLOCATIONS_PER_LOOK among them, so any ALLOCATIONS_PER_LOOK allocations of a thread, however spread
 * over its bins, make it look at the settings' generation.
 *
 * A bin without slots (base NULL) has not been used yet. It counts as empty and as full, so that both calls take the
 * slow path. All bins of the stand-in and of a new thread are like that. Its capacity is published as 0.
 *
 * Only the cache's own thread uses it; other threads read the telemetry row. The bin `none` is always empty and full, so
 * that a pointer that is not a block of a size class takes the slow path. The fast path is in fast_path.h. */
#ifndef HAK_TLS_CACHE_H
#define HAK_TLS_CACHE_H

#include "bin.h"

/* The stand-in for threads without a cache. Its bins are empty and full and it knows no range, so every call takes the
 * slow path. */
extern struct tls_cache tls_cache_none;
extern __thread struct tls_cache *tls_cache __attribute__((tls_model("initial-exec")));
/* The cache that calls defined by other calls use: tls_cache, or the stand-in if the program replaced those other calls
 * (override_replaced.h). */
extern __thread struct tls_cache *derived_cache __attribute__((tls_model("initial-exec")));

/* Makes a cache for the calling thread, but does not set tls_cache. Returns NULL if there is no memory. */
struct tls_cache *tls_cache_create(unsigned heap);
/* Adopts the settings and fills the bins with what tls.prewarm_slots asks for. Must be called before any other use. */
void tls_cache_begin(struct tls_cache *cache);
/* The cache that was made last. Its members made_before lead to all others: no cache's memory is ever unmapped. A reader
 * outside the process follows them (hak_memory.h). Written under a lock, by a store release. */
extern struct tls_cache *_Atomic tls_caches;
/* Gives all blocks back, retires the telemetry row, keeps the memory for another thread. */
void tls_cache_destroy(struct tls_cache *cache);
/* Both are called in a forked child. All caches but the survivor's are forgotten (their blocks are never freed). */
void tls_cache_reset_locks(void);
void tls_cache_after_fork(struct tls_cache *survivor);

/* The slow paths of a real cache. Allocation returns NULL if there is no memory. A sample keeps requested_bytes. */
void *tls_cache_allocate(struct tls_cache *cache, unsigned class_index, size_t requested_bytes);
void tls_cache_free(struct tls_cache *cache, unsigned class_index, void *block);
/* The same for a block that is on its way home to another heap (outbox.h). */
void tls_cache_free_foreign(struct tls_cache *cache, unsigned class_index, void *block);

/* Counts one operation that no bin saw (L2.5, big), compares the generation and, if it is time, looks at the clock. */
void tls_cache_poll(struct tls_cache *cache);
/* Compares the generation and looks at the clock, but counts no operation. */
void tls_cache_look(struct tls_cache *cache);
/* Brings the thread's telemetry up to this moment. The second only publishes what the cache holds of one class. */
void tls_cache_publish(struct tls_cache *cache);
void tls_cache_publish_held(struct tls_cache *cache, unsigned class_index);
/* Sends the blocks of all outboxes home, and returns how many there were. */
unsigned tls_cache_flush_outboxes(struct tls_cache *cache);
/* Notes that the range has grown. Until a thread does so, its frees of blocks in the new part take the slow path. */
static inline void tls_cache_see_range(struct tls_cache *cache)
{
    if (cache->range_limit) /* 0 if the fast paths are off or there is no range */
        cache->range_limit = range_bytes() / 8;
}
/* Adopts route.profile and check.level. */
void tls_cache_adopt_route(struct tls_cache *cache);
/* Gives every cached block back and forgets the adapted capacities. Returns how many blocks it gave back. */
unsigned tls_cache_flush(struct tls_cache *cache);

bool tls_cache_is_valid(const struct tls_cache *cache);
void tls_cache_acquire_locks(void);
void tls_cache_release_locks(void);

#endif
