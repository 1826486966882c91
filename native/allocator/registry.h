/* registry.h: which chunk an address belongs to, and the store that chunk descriptors come from.
 *
 *   address -- inside the range --> chunk_of_frame[(address - base) >> 21]   (flat, one word a frame; range.h)
 *          '-- outside ----------> root[bits 34 and up] -> leaf[bits 33..21]
 *
 *   descriptors: segment 0 has registry.initial_entries, segment k as many as all before it; segments
 *   are mapped, never moved, copied or freed. Free descriptors are linked and taken again.
 *
 * Invariants (registry_is_valid): the segments have `capacity` entries, of which entries_ever were handed out;
 * those in the list of free ones are of no kind, and none is in it twice.
 *
 * Readers are lock-free: a word is stored (release) after the chunk is initialised, loaded (acquire).
 * It is cleared before a chunk goes away, which happens only when no block of it is out, so whoever
 * holds a valid block finds its chunk. Writers hold registry_lock. */
#ifndef HAK_REGISTRY_H
#define HAK_REGISTRY_H

#include "base.h"
#include "range.h"

struct chunk; /* chunk.h */

extern struct chunk *_Atomic *registry_frames; /* NULL without a range; so much of it is mapped as range.bytes says */

struct chunk *registry_find_outside(const void *address);

/* The chunk that `address` lies in, or NULL: not ours, or not mapped now. */
static inline struct chunk *registry_find(const void *address)
{
    size_t offset = range_offset(address);
    if (LIKELY(offset < range_bytes()))
        return atomic_load_explicit(&registry_frames[offset >> CHUNK_SHIFT], memory_order_acquire);
    return registry_find_outside(address);
}

/* After range_start. False if there is no memory for its first segment. */
bool registry_start(void);

/* A zeroed or recycled descriptor (its `entry_index` is kept), or NULL: no memory to grow. */
struct chunk *registry_new_chunk(const struct actor *actor);
/* Publishes chunk->base .. + frames * 2 MiB; false if the table cannot grow (nothing is published). */
bool registry_publish(struct chunk *chunk);
/* Grows a published chunk to `frames` (more than it has); false as above. */
bool registry_extend(struct chunk *chunk, uint32_t frames);
/* Withdraws it and takes the descriptor back. */
void registry_remove(struct chunk *chunk);
/* The index-th descriptor ever handed out, in use or not; NULL beyond the last. For walks. */
struct chunk *registry_chunk_at(uint32_t index);

bool registry_is_valid(void);
void registry_reset_locks(void);
void registry_acquire_locks(void);
void registry_release_locks(void);

#endif
