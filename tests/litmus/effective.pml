/* What took effect: hak_block_publish_effective (block/writer.c) marks the generation as busy, stores the values and
 * then the new generation; a reader outside copies with reads of the kernel's, in any order, and a fence after each.
 *
 * A copy whose generation was the same before and after, and not busy, is whole. */
#define GENERATION 0
#define FIRST 1
#define SECOND 2
#define LOCATIONS 3
#define THREADS 2
#define MESSAGES 6
#include "weak_memory.pml"

#define PROGRAM 0
#define READER 1
#define BUSY 128
#ifndef VALUES /* store_values */
#define VALUES RELEASE
#endif
#ifndef GENERATIONS
#define GENERATIONS RELEASE
#endif
#ifndef FENCE /* after each read of the kernel's (reader_read) */
#define FENCE fence_in_order(READER)
#endif

active proctype program()
{
    LOCALS;
    byte set, former;
    for (set : 1 .. 2) {
        exchange(PROGRAM, GENERATION, former, (set - 1) | BUSY, RELAXED);
        store(PROGRAM, FIRST, set, VALUES);
        store(PROGRAM, SECOND, set, VALUES);
        store(PROGRAM, GENERATION, set, GENERATIONS)
    }
}

active proctype reader()
{
    LOCALS;
    byte before, after, a, b;
    load(READER, GENERATION, before, RELAXED);
    FENCE;
    if
    :: load(READER, FIRST, a, RELAXED); load(READER, SECOND, b, RELAXED)
    :: load(READER, SECOND, b, RELAXED); load(READER, FIRST, a, RELAXED)
    fi;
    FENCE;
    load(READER, GENERATION, after, RELAXED);
    assert(before != after || (before & BUSY) || (a == before && b == before))
}
