/* The ring of events: hak_block_append_event (block/writer.c), read in the program by read_event
 * (allocator/events.c) and from outside by hak_reader_events (block/reader_data.c). A ring of one slot, which two
 * threads use one after the other or at once.
 *
 * Whoever keeps event i has both of its words. A word of event i is i + 1. */
#define HEAD 0
#define SEQUENCE 1
#define FIRST 2
#define SECOND 3
#define LOCATIONS 4
#define THREADS 4
#define MESSAGES 6
#include "weak_memory.pml"

#define INSIDE 2
#define OUTSIDE 3
#ifndef WORDS /* the stores of an event's words */
#define WORDS RELEASE
#endif
#ifndef COMPLETE /* the store of its even sequence */
#define COMPLETE RELEASE
#endif
#ifndef COPIES /* the loads of its words in read_event */
#define COPIES ACQUIRE
#endif
#ifndef FENCE /* after each read of the kernel's (reader_read) */
#define FENCE fence_in_order(OUTSIDE)
#endif

active [2] proctype writer()
{
    LOCALS;
    byte index, sequence;
    bool is_mine;
    do /* the next number: a fetch-and-add */
    :: compare_exchange(_pid, HEAD, index, index + 1, is_mine, RELAXED);
       if
       :: is_mine -> break
       :: else
       fi
    od;
    load(_pid, SEQUENCE, sequence, RELAXED);
    if
    :: sequence % 2 == 1 || sequence > 2 * index -> goto lost
    :: else
    fi;
    compare_exchange(_pid, SEQUENCE, sequence, 2 * index + 1, is_mine, ACQUIRE);
    if
    :: is_mine ->
        store(_pid, FIRST, index + 1, WORDS);
        store(_pid, SECOND, index + 1, WORDS);
        store(_pid, SEQUENCE, 2 * index + 2, COMPLETE)
    :: else
    fi;
lost:
    skip
}

active proctype inside()
{
    LOCALS;
    byte before, after, a, b;
    load(INSIDE, SEQUENCE, before, ACQUIRE);
    load(INSIDE, FIRST, a, COPIES);
    load(INSIDE, SECOND, b, COPIES);
    load(INSIDE, SEQUENCE, after, RELAXED);
    assert(before != after || before == 0 || before % 2 == 1 || (a == before / 2 && b == before / 2))
}

active proctype outside()
{
    LOCALS;
    byte head, sequence, a, b;
    load(OUTSIDE, HEAD, head, RELAXED);
    FENCE;
    if
    :: head == 0 -> goto nothing
    :: else
    fi;
    load(OUTSIDE, SEQUENCE, sequence, RELAXED);
    FENCE;
    if
    :: sequence != 2 * head -> goto nothing
    :: else
    fi;
    load(OUTSIDE, FIRST, a, RELAXED);
    load(OUTSIDE, SECOND, b, RELAXED);
    FENCE;
    byte head_after;
    load(OUTSIDE, HEAD, head_after, RELAXED);
    assert(head_after > head || (a == head && b == head));
nothing:
    skip
}
