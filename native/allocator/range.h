/* range.h: the address range in which blocks lie, and the tables that grow with its use.
 *
 *   zone:  | metadata | table | table | ... | frame 0 (2 MiB) | frame 1 | frame 2 | ...           |
 *                                           ^ range.base       range.bytes: so far ^     RANGE_MAX_BYTES
 *
 * Nothing is reserved. The zone is a stretch of addresses far from those where the system maps by itself. Each
 * part of it is mapped when it is first used, at its place, and only if nothing else is mapped there. So a limit of the
 * address space, a limit of writable or of locked memory, a core file and a fork see what is used and no more.
 *
 * Each table has a slot of the zone that it can never outgrow, so it grows in place and is never copied. The tables that
 * an address in the range indexes (chunk_of_frame, class_of_slab) are mapped for the first range.bytes of the range, so
 * their entries for addresses below that bound may be read. The bound only grows. A thread that knows an older, lower
 * bound takes the address for one outside the range, and its slow path looks again.
 *
 * Everything else that os_map maps lies in the zone as well, one mapping behind the other. So all memory of the allocator
 * is in one stretch of addresses, and a reader outside the process can tell it from the program's (hak_memory.h).
 *
 * If the zone is not available (base is NULL), everything is mapped where the system likes.
 *
 * Lock: range_lock, the innermost, guards how much of the tables is mapped. Callers of range_grow hold frames_lock. */
#ifndef HAK_RANGE_H
#define HAK_RANGE_H

#include "base.h"

#define RANGE_MAX_BYTES ((size_t)1 << 40)

extern struct range {
    char *base;           /* written once, before any thread can read it; NULL if there is no zone */
    _Atomic size_t bytes; /* stored with release after the tables are mapped, loaded with acquire before they are read */
} range;

enum range_table {
    RANGE_CLASS_OF_SLAB, /* superslab.h; one for each heap */
    RANGE_CHUNK_OF_FRAME = RANGE_CLASS_OF_SLAB + MAX_HEAPS, /* registry.h */
    RANGE_BIG_HEADS, /* big_stripe.c */
    RANGE_TABLE_COUNT
};

/* heaps: how many tables of RANGE_CLASS_OF_SLAB are needed. */
void range_start(unsigned heaps);
unsigned range_heap_count(void);

/* The first address of the zone; NULL without a zone. It ends RANGE_MAX_BYTES behind range.base. */
void *range_zone(void);
/* Where a table is or will be mapped; NULL without a zone. */
void *range_table(enum range_table table);
/* Makes the first `bytes` of the table usable; new ones are zero. Returns false if there is no memory. */
bool range_table_reach(enum range_table table, size_t bytes);
/* Makes range.bytes at least `bytes`. Returns false if there is no memory, or if that is more than the range can have. */
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
