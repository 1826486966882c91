/* A slot of the table of samples: samples_add (allocator/samples.c) fills it under the table's lock, and a reader outside,
 * copy_sample (block/reader_samples.c) copies it with reads of the kernel's and a fence after each.
 *
 * A copy whose sequence was the same before and after, and even, is whole. */
#define SEQUENCE 0
#define FIRST 1
#define SECOND 2
#define LOCATIONS 3
#define THREADS 2
#define MESSAGES 6
#include "weak_memory.pml"

#define PROGRAM 0
#define READER 1
#ifndef BEHIND /* between the odd sequence and the fields */
#define BEHIND fence_release(PROGRAM)
#endif
#ifndef COMPLETE /* the store of the even sequence */
#define COMPLETE RELEASE
#endif
#ifndef FENCE /* after each read of the kernel's (reader_read) */
#define FENCE fence_in_order(READER)
#endif

active proctype program()
{
    LOCALS;
    byte sample;
    for (sample : 1 .. 2) {
        store(PROGRAM, SEQUENCE, 2 * sample - 1, RELAXED);
        BEHIND;
        store(PROGRAM, FIRST, sample, RELAXED);
        store(PROGRAM, SECOND, sample, RELAXED);
        store(PROGRAM, SEQUENCE, 2 * sample, COMPLETE)
    }
}

active proctype reader()
{
    LOCALS;
    byte before, after, a, b;
    load(READER, SEQUENCE, before, RELAXED);
    FENCE;
    load(READER, FIRST, a, RELAXED);
    load(READER, SECOND, b, RELAXED);
    FENCE;
    load(READER, SEQUENCE, after, RELAXED);
    assert(before != after || before % 2 == 1 || (a == before / 2 && b == before / 2))
}
