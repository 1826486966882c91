/* Blocks that other heaps free: push_remote and drain_locked (allocator/central.c). One thread frees two blocks of slab 1,
 * whose bits lie in two words, and then one of slab 2; another frees a further block of slab 1. The owner of the slabs
 * drains what it finds while they do, and once more when both have ended. It releases a slab when all of its blocks have
 * arrived.
 *
 * Every block arrives once and behind what was written to it, nobody links a slab whose last link is still being read, and
 * nobody touches a slab that was released. Slabs and blocks are numbered from 1; 0 is the end of the list. */
#define COUNT(slab) ((slab) - 1) /* slab.remote_count */
#define NEXT(slab) (1 + (slab))  /* slab.pending_next */
#define PENDING 4
#define BIT(block) (4 + (block)) /* a word of the slab's remote bits, of which one bit is used */
#define CONTENT 9                /* what its last user wrote to block 2 */
#define LOCATIONS 10
#define THREADS 3
#define MESSAGES 9
#define DRAINS 1
#include "weak_memory.pml"

#ifndef ANNOUNCE /* the order of the addition to a slab's count */
#define ANNOUNCE ACQUIRE
#endif
#ifndef SET /* of a bit */
#define SET RELEASE
#endif
#ifndef LINK /* of the compare-and-swap that links a slab */
#define LINK RELEASE
#endif
#ifndef TAKE /* of the owner's exchange of the list of slabs */
#define TAKE ACQUIRE
#endif
#ifndef CLEAR /* of its exchange of bits */
#define CLEAR ACQUIRE
#endif
#ifndef SETTLE /* of its subtraction from the count */
#define SETTLE RELEASE
#endif
#define OWNER 2

byte ended;
bool is_begun;
byte arrived[5];
byte used[3];
bool is_released[3];

inline link_pending(me, slab)
{
    load(me, PENDING, head, RELAXED);
    do
    :: write_plain(me, NEXT(slab), head);
       compare_exchange(me, PENDING, head, slab, is_done, LINK);
       if
       :: is_done -> break
       :: else
       fi
    od
}

inline announce(me, slab, blocks)
{
    assert(!is_released[slab]);
    add(me, COUNT(slab), former, blocks, ANNOUNCE);
    if
    :: former == 0 -> link_pending(me, slab)
    :: else
    fi
}

inline set_bit(me, slab, block)
{
    assert(!is_released[slab]);
    exchange(me, BIT(block), former, 1, SET)
}

inline take_bit(block)
{
    exchange(OWNER, BIT(block), former, 0, CLEAR);
    if
    :: former ->
        count++;
        used[slab]--;
        arrived[block]++
    :: else
    fi
}

inline drain()
{
    exchange(OWNER, PENDING, slab, 0, TAKE);
    do
    :: slab == 0 -> break
    :: else ->
        assert(!is_released[slab]);
        read_plain(OWNER, NEXT(slab), next);
        count = 0;
        if
        :: slab == 1 ->
            take_bit(1);
            take_bit(4);
            take_bit(2);
            if
            :: former -> read_plain(OWNER, CONTENT, former); assert(former == 7)
            :: else
            fi
        :: else -> take_bit(3)
        fi;
        add(OWNER, COUNT(slab), former, -count, SETTLE);
        if
        :: former != count -> link_pending(OWNER, slab)
        :: else
        fi;
        is_released[slab] = (used[slab] == 0);
        slab = next
    od
}

active proctype first()
{
    LOCALS;
    byte head, former;
    bool is_done;
    used[1] = 3;
    used[2] = 1;
    is_begun = true;
    write_plain(0, CONTENT, 7);
    announce(0, 1, 2);
    set_bit(0, 1, 1);
    set_bit(0, 1, 2);
    announce(0, 2, 1);
    set_bit(0, 2, 3);
    ended++
}

active proctype second()
{
    LOCALS;
    byte head, former;
    bool is_done;
    is_begun;
    announce(1, 1, 1);
    set_bit(1, 1, 4);
    ended++
}

active proctype owner()
{
    LOCALS;
    byte head, slab, next, count, former, drains;
    bool is_done;
    is_begun;
    for (drains : 1 .. DRAINS) {
        drain()
    }
    ended == 2;
    drain();
    assert(arrived[1] == 1 && arrived[2] == 1 && arrived[3] == 1 && arrived[4] == 1);
    assert(is_released[1] && is_released[2])
}
