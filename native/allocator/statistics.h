/* statistics.h: telemetry as one process-wide answer, for the C library's mallinfo and its like. */
#ifndef HAK_STATISTICS_H
#define HAK_STATISTICS_H

#include "base.h"

struct heap_statistics {
    size_t live_bytes;      /* of blocks at the user, as served */
    size_t cached_bytes;    /* of free blocks in threads' caches */
    size_t committed_bytes; /* mapped and not given back: slabs, cached and live big blocks */
    size_t purged_bytes;    /* given back so far */
    size_t big_blocks, big_bytes;
    size_t big_cached_bytes, l25_free_bytes; /* kept for reuse */
    size_t chunks, busy_slabs;
    size_t threads;
};

/* As of now, if other threads do nothing; else near enough. All 0 before the first allocation. */
struct heap_statistics heap_statistics(void);

#endif
