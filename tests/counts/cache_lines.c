/* cache_lines.c: what several threads write lies apart from what others read or write. Nothing runs: a
 * layout that breaks this does not compile. Structs of a .c file are seen by including it: the test
 * compiles this once for each, with SOURCE as its name and IN_... defined. */
#include SOURCE

#include "base.h"

#include <stddef.h>

#define LINE(type, field) (offsetof(struct type, field) / CACHE_LINE)
#define LAST_LINE(type, field) \
    ((offsetof(struct type, field) + sizeof(((struct type *)0)->field) - 1) / CACHE_LINE)
#define HOLDS(what) _Static_assert(what, #what)
/* Neighbours in an array share no line. */
#define STANDS_ALONE(type) HOLDS(sizeof(struct type) % CACHE_LINE == 0 && _Alignof(struct type) >= CACHE_LINE)

HOLDS(CACHE_LINE == 64);

#ifdef IN_CENTRAL
/* Refills under the lock on one line, frees of other heaps on another. */
STANDS_ALONE(central);
HOLDS(LINE(central, lock) == LAST_LINE(central, lists));
HOLDS(LINE(central, pending) > LAST_LINE(central, lists));
HOLDS(LAST_LINE(central, pending_blocks) == LINE(central, pending));
/* The same in each slab. */
STANDS_ALONE(slab);
HOLDS(LINE(slab, remote_count) > LAST_LINE(slab, idle_since_ms));
HOLDS(LAST_LINE(slab, pending_next) == LINE(slab, remote_count));
HOLDS(LINE(slab, free_count) == LAST_LINE(slab, idle_since_ms));
HOLDS(offsetof(struct chunk, slabs) % CACHE_LINE == 0);
#endif

#ifdef IN_MAGAZINE
STANDS_ALONE(magazine);
#endif

#ifdef IN_BIG_STRIPE
STANDS_ALONE(stripe);
HOLDS(sizeof totals % CACHE_LINE == 0);
#endif

#ifdef IN_L25_SHARD
/* Neighbouring lines are fetched in pairs: a shard has a pair of its own. */
STANDS_ALONE(shard);
HOLDS(_Alignof(struct shard) == 2 * CACHE_LINE);
#endif

#ifdef IN_TLS_CACHE
STANDS_ALONE(tls_cache);
STANDS_ALONE(bin);
/* All that a hit of malloc or free touches of a bin is on its one line; the words of the cache that both
 * read are on one, beside the start of the table of classes. */
HOLDS(LINE(bin, top) == LAST_LINE(bin, countdown));
HOLDS(LINE(tls_cache, class_of_slab) == 1 && LAST_LINE(tls_cache, mid_max_bytes) == 1);
HOLDS(LINE(tls_cache, bins) > LAST_LINE(tls_cache, tiny_table));
/* Threads write their rows of the telemetry without a lock. */
STANDS_ALONE(telemetry_thread);
STANDS_ALONE(telemetry_class);
STANDS_ALONE(telemetry_class_ghosts);
STANDS_ALONE(telemetry_big_copies);
STANDS_ALONE(telemetry_shard);
STANDS_ALONE(telemetry_tier);
HOLDS(LINE(telemetry, tiers) > LAST_LINE(telemetry, global));
HOLDS(offsetof(struct telemetry, threads) % CACHE_LINE == 0);
#endif

#ifdef IN_WRITER
/* Who sets, who publishes settings and who publishes events do not meet. */
#define CACHE_LINE_OF(field) (offsetof(struct hak_header, field) / CACHE_LINE)
HOLDS(CACHE_LINE_OF(generation) > CACHE_LINE_OF(section));
HOLDS(CACHE_LINE_OF(effective_generation) > CACHE_LINE_OF(setter));
HOLDS(CACHE_LINE_OF(event_head) > CACHE_LINE_OF(effective_generation));
HOLDS(CACHE_LINE_OF(event_lost) > CACHE_LINE_OF(event_head));
HOLDS(sizeof(struct hak_event) == CACHE_LINE);
#endif
