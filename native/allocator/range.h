/* range.h: the address range that blocks lie in, and the tables that grow with what is used.
 *
 *   zone:  | table | table | ... | frame 0 (2 MiB) | frame 1 | frame 2 | ...           |
 *                                ^ range.base       range.bytes: so far ^     RANGE_MAX_BYTES
 *
 * Nothing is reserved. The zone is a stretch of addresses far from those where the system maps by itself; each
 * part of it is mapped when it is first used, at its place, and only where nothing is. So a limit of the address
 * space, a limit of writable or of locked memory, a core file and a fork see what is used and no more.
 *
 * A table has a slot of the zone that it can never outgrow, so it grows where it is and is never copied. Those with
 * entries for places in the range (chunk_of_frame, class_of_slab) are mapped for all of the first `bytes` of it:
 * whoever looks at an address below that bound may read them. The bound only grows. A thread that knows an older,
 * lower bound takes the address for one outside the range, and looks again on its slow path.
 *
 * Where the zone cannot be had (base NULL) everything is mapped where the system likes.
 *
 * Lock: range_lock, innermost, guards how much of the tables is mapped. Callers of range_grow hold frames_lock. */
#ifndef HAK_RANGE_H
#define HAK_RANGE_H

#include "base.h"

#define RANGE_MAX_BYTES ((size_t)1 << 40)

extern struct range {
    char *base;           /* written once, before any thread can see it; NULL: none */
    _Atomic size_t bytes; /* release after the tables are mapped, acquire before they are read */
} range;

enum range_table {
    RANGE_CLASS_OF_SLAB, /* superslab.h; one a heap */
    RANGE_CHUNK_OF_FRAME = RANGE_CLASS_OF_SLAB + MAX_HEAPS, /* registry.h */
    RANGE_BIG_HEADS, /* big_stripe.c */
    RANGE_TABLE_COUNT
};

/* heaps: how many tables of RANGE_CLASS_OF_SLAB are needed. */
void range_start(unsigned heaps);
unsigned range_heap_count(void);

/* Where a table is or will be; NULL without a zone. */
void *range_table(enum range_table table);
/* Makes its first `bytes` usable, zero where new; false: no memory. */
bool range_table_reach(enum range_table table, size_t bytes);
/* Makes range.bytes at least `bytes`; false: no memory, or too much. */
bool range_grow(size_t bytes);

static inline size_t range_bytes(void)
{
    return atomic_load_explicit(&range.bytes, memory_order_acquire);
}

/* The distance of an address from the start of the range: below range_bytes() if it is inside. */
static inline size_t range_offset(const void *address)
{
    return (size_t)((uintptr_t)address - (uintptr_t)range.base);
}

static inline bool range_holds(const void *address)
{
    return range_offset(address) < range_bytes();
}

void range_acquire_locks(void);
void range_release_locks(void);
void range_reset_locks(void);

#endif
