/* altered.h: pages that a program changed in a way that outlasts its block: madvise(MADV_DONTFORK) and its kin,
 * mprotect, mlock. The next owner must not get such pages: they would be missing in a child, or not be writable.
 *
 * The library sees these calls (override_pages.c) and notes the blocks to which the pages belong. The free of such a
 * block maps its pages anew. The fast path of free does not read the note. So a noted slab is hidden in class_of_slab
 * (superslab.h), and frees of its blocks take the slow path, which reads the note. Other frees pay nothing for it.
 *
 * A note is a relaxed atomic flag. It is read when the block is freed, and the program's call came before that. */
#ifndef HAK_ALTERED_H
#define HAK_ALTERED_H

#include "chunk.h"

void altered_note(const void *start, size_t bytes);
/* Maps the whole pages of a block anew. Returns false if the system refused; the block must not be used again then. */
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
