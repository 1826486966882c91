/* integrity.h: what check.level 2 and 3 look at: a bit for each block that is known to be free, and the
 * links of blocks on their way to another heap.
 *
 *   chunk->free_bits --> | bit 0 | bit 1 | ...            one bit every 8 bytes of the chunk's 2 MiB: 32 KiB,
 *                           base+0   base+8                mapped when a check first needs it, never moved
 *
 * Invariant: a set bit means that the block there is free: in central's lists, in flight to them, or in the
 * bin of a thread at level 3. A clear bit means nothing, so raising the level is safe at any instant; a
 * thread that leaves level 3 clears the bits of what its bins hold. A slab that is released has no bit set.
 *
 * Level 2: a flush sets the bit of each block it gives back and finds it set if that block was freed before;
 * a refill clears it. Level 3: every free sets it, every allocation clears it (the thread's fast paths are
 * off). Bits are set and cleared by atomic operations, relaxed: they order nothing. */
#ifndef HAK_INTEGRITY_H
#define HAK_INTEGRITY_H

#include "base.h"
#include "chunk.h"

/* Blocks of one class on their way back, the first `flushed` of `count` now: takes out what is not such a
 * block or is known to be free (check_failed for each). Returns how many are left, in their order; bits are
 * set for those to be flushed, at level 3 for all. */
unsigned integrity_check_bin(const struct actor *actor, int64_t level, unsigned class_index, void **blocks,
                             unsigned count, unsigned flushed);
/* Blocks that are no longer known to be free. Does nothing as long as no bit was ever set. */
void integrity_forget(void *const *blocks, unsigned count);
/* Level 3: the block is being freed. False: it is known to be free. */
bool integrity_note_free(struct chunk *chunk, const void *block);
bool integrity_is_free(const struct chunk *chunk, const void *block);

/* Looks at the links of `count` blocks that other heaps freed, from *first; cuts them before the first that
 * is wrong. Returns how many are good: the others count as used, for good. */
uint32_t integrity_check_chain(const struct actor *actor, struct slab *slab, void **first, uint32_t count);

/* No bit is set in slabs [first, first + count). */
void integrity_clear_slabs(struct chunk *chunk, unsigned first, unsigned count);
/* No bit is set for what is no block's start, or in a slab of no class. */
bool integrity_is_valid(struct chunk *chunk);

#endif
