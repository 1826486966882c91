/* Blocks that other heaps free: push_remote and drain_locked (allocator/central.c). Two threads hand over three blocks of
 * two slabs; the owner of the slabs drains what it finds, and once more when both have ended.
 *
 * Every block arrives once, and nobody reads a link that is not yet written or is being written anew. Blocks are numbered
 * from 1, slabs from 1; 0 is the end of a list. */
#define HEAD(slab) ((slab) - 1)
#define NEXT_SLAB(slab) (1 + (slab))
#define PENDING 4
#define LINK(block) (4 + (block))
#define LOCATIONS 8
#define THREADS 3
#define MESSAGES 9
#define DRAINS 2
#include "weak_memory.pml"

#ifndef PUSH /* the order of a block's compare-and-swap */
#define PUSH ACQ_REL
#endif
#ifndef ANNOUNCE /* of a slab's */
#define ANNOUNCE RELEASE
#endif
#ifndef TAKE /* the owner's exchange of the slabs that have blocks */
#define TAKE ACQUIRE
#endif
#ifndef EMPTY /* and of a slab's blocks */
#define EMPTY ACQ_REL
#endif
#define OWNER 2

byte arrived[4];
byte ended;

inline push(me, slab, block)
{
    load(me, HEAD(slab), head, RELAXED);
    do
    :: write_plain(me, LINK(block), head);
       compare_exchange(me, HEAD(slab), head, block, is_done, PUSH);
       if
       :: is_done -> break
       :: else
       fi
    od;
    if
    :: head == 0 ->
        load(me, PENDING, head, RELAXED);
        do
        :: write_plain(me, NEXT_SLAB(slab), head);
           compare_exchange(me, PENDING, head, slab, is_done, ANNOUNCE);
           if
           :: is_done -> break
           :: else
           fi
        od
    :: else
    fi
}

inline drain(me)
{
    exchange(me, PENDING, slab, 0, TAKE);
    do
    :: slab == 0 -> break
    :: else ->
        read_plain(me, NEXT_SLAB(slab), next);
        exchange(me, HEAD(slab), block, 0, EMPTY);
        do
        :: block == 0 -> break
        :: else ->
            arrived[block]++;
            read_plain(me, LINK(block), behind);
            block = behind
        od;
        slab = next
    od
}

active proctype first()
{
    LOCALS;
    byte head;
    bool is_done;
    push(0, 1, 1);
    push(0, 2, 2);
    ended++
}

active proctype second()
{
    LOCALS;
    byte head;
    bool is_done;
    push(1, 1, 3);
    ended++
}

active proctype owner()
{
    LOCALS;
    byte slab, next, block, behind, drains;
    for (drains : 1 .. DRAINS) {
        drain(OWNER)
    }
    ended == 2;
    drain(OWNER);
    assert(arrived[1] == 1 && arrived[2] == 1 && arrived[3] == 1)
}
