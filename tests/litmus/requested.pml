/* A set from outside: reader_publish (block/reader_set.c) writes a slot and then the generation, each with a write of
 * the kernel's that stores words in any order; hak_block_copy_requested (block/writer.c) copies them in the program.
 *
 * What is copied belongs to one generation. A word is the number of the set that stored it. */
#define GENERATION 0
#define WORD(slot, index) (1 + 2 * (slot) + (index))
#define LOCATIONS 5
#define THREADS 2
#define MESSAGES 4
#define SETS 2 /* the second is of the slot that generation 0 is read from */
#include "weak_memory.pml"

#define SETTER 0
#define PROGRAM 1
#ifndef FENCE /* before each write of the kernel's (reader_write) */
#define FENCE fence_in_order(SETTER)
#endif
#ifndef VALUES /* load_value in writer.c */
#define VALUES ACQUIRE
#endif

active proctype setter()
{
    LOCALS;
    byte set, first;
    for (set : 1 .. SETS) {
        FENCE;
        select (first : 0 .. 1);
        store(SETTER, WORD(set % 2, first), set, RELAXED);
        store(SETTER, WORD(set % 2, 1 - first), set, RELAXED);
        FENCE;
        store(SETTER, GENERATION, set, RELAXED)
    }
}

active proctype program()
{
    LOCALS;
    byte before, after, a, b;
    load(PROGRAM, GENERATION, before, ACQUIRE);
    load(PROGRAM, WORD(before % 2, 0), a, VALUES);
    load(PROGRAM, WORD(before % 2, 1), b, VALUES);
    load(PROGRAM, GENERATION, after, RELAXED);
    assert(after != before || (a == before && b == before))
}
