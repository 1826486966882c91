/* statistics.h: process-wide sums of the telemetry, for the C library's mallinfo and similar calls. */
#ifndef HAK_STATISTICS_H
#define HAK_STATISTICS_H

#include "base.h"

struct heap_statistics {
    size_t live_bytes;      /* bytes of blocks at the user, by their block sizes */
    size_t cached_bytes;    /* bytes of free blocks in threads' caches */
    size_t committed_bytes; /* bytes that may be resident: slabs, cached and live big blocks */
    size_t purged_bytes;    /* bytes given back so far */
    size_t big_blocks, big_bytes;
    size_t big_cached_bytes, l25_free_bytes; /* kept for reuse */
    size_t chunks, busy_slabs;
    size_t threads;
};

/* The sums are exact if other threads make no calls meanwhile, and otherwise close. All are 0 before the first
 * allocation. */
struct heap_statistics heap_statistics(void);

#endif
