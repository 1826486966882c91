/* registry.h: finds the chunk of an address, and provides the chunk descriptors.
 *
 *   address -- inside the range --> chunk_of_frame[(address - base) >> 21]   (flat, one word a frame; range.h)
 *          '-- outside ----------> root[bits 34 and up] -> leaf[bits 33..21]
 *
 *   descriptors: segment 0 has registry.initial_entries, segment k as many as all before it; segments
 *   are mapped, never moved, copied or freed. Free descriptors are linked and taken again.
 *
 * Invariants (registry_is_valid): the segments have `capacity` entries, of which entries_ever were handed out;
 * a descriptor in the list of free ones has kind CHUNK_NONE and is in the list once.
 *
 * Readers take no lock: a word is stored (release) after its chunk is initialised, and loaded with acquire. It is
 * cleared before the chunk is unmapped. A chunk is unmapped only when no block of it is in use, so whoever
 * holds a valid block finds its chunk. Writers hold registry_lock. */
#ifndef HAK_REGISTRY_H
#define HAK_REGISTRY_H

#include "base.h"
#include "range.h"

struct chunk; /* chunk.h */

extern struct chunk *_Atomic *registry_frames; /* NULL without a range; mapped for the first range.bytes of the range */

struct chunk *registry_find_outside(const void *address);

/* The chunk in which `address` lies, or NULL if it lies in none. */
static inline struct chunk *registry_find(const void *address)
{
    size_t offset = range_offset(address);
    if (LIKELY(offset < range_bytes()))
        return atomic_load_explicit(&registry_frames[offset >> CHUNK_SHIFT], memory_order_acquire);
    return registry_find_outside(address);
}

/* Must be called after range_start. Returns false if there is no memory for the first segment. */
bool registry_start(void);

/* Returns a zeroed or recycled descriptor (whose entry_index stays), or NULL if there is no memory for more. */
struct chunk *registry_new_chunk(const struct actor *actor);
/* Publishes the chunk for all its frames. Returns false, with nothing published, if there is no memory for the table. */
bool registry_publish(struct chunk *chunk);
/* Extends a published chunk to `frames`, which are more than it has. Returns false as registry_publish does. */
bool registry_extend(struct chunk *chunk, uint32_t frames);
/* Withdraws the chunk and takes its descriptor back. */
void registry_remove(struct chunk *chunk);
/* For walks over all chunks: the index-th descriptor ever handed out, in use or not; NULL beyond the last. */
struct chunk *registry_chunk_at(uint32_t index);

/* Where the descriptors lie (hak_memory.h): addresses of the segments' pointers and of the number of descriptors handed out.
 * Returns how many descriptors the first segment has. */
uint32_t registry_segments(uint64_t *segments_address, uint64_t *entries_ever_address);

bool registry_is_valid(void);
void registry_reset_locks(void);
void registry_acquire_locks(void);
void registry_release_locks(void);

#endif
