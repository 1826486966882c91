/* integrity.h: the checks of check.level 2 and 3: a bit for each block that is known to be free.
 *
 *   chunk->free_bits --> | bit 0 | bit 1 | ...            one bit every 8 bytes of the chunk's 2 MiB: 32 KiB,
 *                           base+0   base+8                mapped when a check first needs it, never moved
 *
 * Invariant: a set bit means that the block there is free: in central's lists, in flight to them, or in the
 * bin of a thread at level 3. A clear bit says nothing, so the level may be raised at any time. A
 * thread that leaves level 3 clears the bits of the blocks in its bins. A released slab has no bit set.
 *
 * Level 2: a flush sets the bit of each block that it gives back, and finds the bit set if the block was freed before;
 * a refill clears it. Level 3: every free sets the bit, and every allocation clears it (the thread's fast paths are
 * off). Bits are set and cleared by relaxed atomic operations, because no other data depends on them. */
#ifndef HAK_INTEGRITY_H
#define HAK_INTEGRITY_H

#include "base.h"
#include "chunk.h"

/* Checks the `count` blocks of a bin, of which the first `flushed` are about to be flushed. It takes out each that is not a
 * block of the class or is known to be free, and calls check_failed for it. Returns how many are left, in the same order.
 * At level 2 the bits of the blocks to be flushed are set, at level 3 those of all. */
unsigned integrity_check_bin(const struct actor *actor, int64_t level, unsigned class_index, void **blocks,
                             unsigned count, unsigned flushed);
/* Clears the bits of blocks that are no longer free. Does nothing if no bit was ever set. */
void integrity_forget(void *const *blocks, unsigned count);
/* Sets the bit of a block that is being freed. Returns false if it was set already. */
bool integrity_note_free(struct chunk *chunk, const void *block);
bool integrity_is_free(const struct chunk *chunk, const void *block);

/* Clears all bits of the slabs [first, first + count). */
void integrity_clear_slabs(struct chunk *chunk, unsigned first, unsigned count);
/* Checks that bits are only set at starts of blocks, and only in slabs of a size class. */
bool integrity_is_valid(struct chunk *chunk);

#endif
