/* altered.h: pages that a program changed in a way that outlasts its block: madvise(MADV_DONTFORK) and its kin,
 * mprotect, mlock. The next owner must not get such pages: they would be missing in a child, or not be writable.
 *
 * The library sees these calls go by (override_pages.c) and notes whose block they are for; whoever frees such a
 * block has its pages mapped anew. Blocks of a size class are freed without a look at their slab: the table of
 * classes hides a slab that is noted, so that they take the slow path, which looks. Other frees pay nothing for it.
 *
 * A note is an atomic flag, relaxed: its reader frees the block, so the note came before. */
#ifndef HAK_ALTERED_H
#define HAK_ALTERED_H

#include "chunk.h"

void altered_note(const void *start, size_t bytes);
/* Maps the whole pages of a block anew; false: the system refused, and the block must not be used again. */
bool altered_renew(void *block, size_t bytes);

static inline bool slab_is_altered(const struct slab *slab)
{
    return atomic_load_explicit(&slab->is_altered, memory_order_relaxed);
}

static inline bool chunk_is_altered(const struct chunk *chunk)
{
    return atomic_load_explicit(&chunk->is_altered, memory_order_relaxed);
}

#endif
