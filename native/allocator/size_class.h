/* size_class.h: tables that tell which block size serves a request (size_classes.def). */
#ifndef HAK_SIZE_CLASS_H
#define HAK_SIZE_CLASS_H

#include "base.h"

enum {
#define HAK_SIZE_CLASS(bytes, group, span_slabs) SIZE_CLASS_##bytes,
#include "size_classes.def"
#undef HAK_SIZE_CLASS
    SIZE_CLASS_COUNT
};

#define TINY_MAX_BYTES 1024u
#define TINY_CLASS_COUNT (SIZE_CLASS_1024 + 1)
#define MID_FIRST_CLASS TINY_CLASS_COUNT
#define MID_MAX_BYTES 32768u
#define L25_MAX_BYTES ((size_t)1 << 20)
#define ROUTE_GROUP_COUNT 8

struct size_class {
    uint32_t bytes;
    uint16_t span_slabs; /* 1 or 4 */
    uint16_t group;      /* 0..7: groups C0..C7 of tiny classes; 8: mid-size classes */
    uint32_t span_blocks;
    uint64_t reciprocal; /* ceil(2^40 / bytes); offset / bytes = offset * reciprocal >> 40 for offsets below 2^18 */
};
extern const struct size_class size_classes[SIZE_CLASS_COUNT];

/* The key of a class is the offset of its bin in a thread's cache. The tables of the fast paths hold keys, so that one
 * addition gives the bin. The bin at the start of the cache belongs to no class. */
#define BIN_BYTES 64u
#define BINS_OFFSET 384u
#define NO_CLASS_KEY 0u
static inline uint16_t class_key(unsigned class_index)
{
    return (uint16_t)(BINS_OFFSET + class_index * BIN_BYTES);
}
/* Classes below a cache line have a second bin, the outbox (outbox.h). */
#define OUTBOX_COUNT (SIZE_CLASS_48 + 1u)
static inline uint16_t outbox_key(unsigned class_index)
{
    return class_key(SIZE_CLASS_COUNT + class_index);
}
/* For any key except NO_CLASS_KEY. */
static inline unsigned class_of_key(uint16_t key)
{
    unsigned index = (key - BINS_OFFSET) / BIN_BYTES;
    return index < SIZE_CLASS_COUNT ? index : index - SIZE_CLASS_COUNT;
}

/* What the fast paths need to know of the blocks in a slab, by the slab's key. The keys of outboxes have the shapes of
 * their classes; NO_CLASS_KEY has a shape without blocks. */
struct block_shape {
    uint64_t inverse; /* ceil(2^64 / bytes); 0 if there are no blocks */
    uint32_t bytes;
    uint32_t span_mask; /* offset in a span = address & span_mask: spans are aligned to their size */
};
extern const struct block_shape block_shapes[BINS_OFFSET / BIN_BYTES + 2 * SIZE_CLASS_COUNT] __attribute__((visibility("hidden")));
static inline const struct block_shape *block_shape(uint16_t key)
{
    return (const struct block_shape *)((const char *)block_shapes + key / (BIN_BYTES / sizeof *block_shapes));
}
/* Computes offset % bytes == 0, for both below 2^32 (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019). */
static inline bool is_block_start(const struct block_shape *shape, const void *address)
{
    return ((uintptr_t)address & shape->span_mask) * shape->inverse < shape->inverse;
}

/* tiny_class_tables[route_profile][(bytes + 7) / 8] is the key of the class that serves a request of up to 1 KiB: a tiny
 * class or, if the profile says POOL_ONLY, the smallest mid-size class. */
#define TINY_TABLE_ENTRIES (TINY_MAX_BYTES / 8 + 1)
extern uint16_t tiny_class_tables[4][TINY_TABLE_ENTRIES];
enum route { ROUTE_TINY_ONLY, ROUTE_TINY_FIRST, ROUTE_POOL_ONLY };
extern const uint8_t route_profiles[4][ROUTE_GROUP_COUNT];

void size_class_init_tables(void); /* fills both tables; idempotent */

/* mid_class_table[(bytes - 1) / MID_STEP_BYTES] is the key of the class that serves a request of more than 1 KiB and up to
 * 32 KiB. The block sizes of these classes are multiples of MID_STEP_BYTES. */
#define MID_STEP_BYTES 128u
#define MID_TABLE_ENTRIES (MID_MAX_BYTES / MID_STEP_BYTES)
extern uint16_t mid_class_table[MID_TABLE_ENTRIES];

#endif
