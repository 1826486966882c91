/* The registry grows: under its lock registry_new_chunk and registry_publish (allocator/registry.c) map a segment of
 * descriptors, hand one out and publish it for its frame. A walk over all descriptors, registry_chunk_at
 * (allocator/registry.c), and a free take no lock.
 *
 * Whoever finds a descriptor finds the segment it lies in, and what was written into it. */
#define SEGMENT 0      /* segments[k] */
#define ENTRIES_EVER 1 /* descriptors handed out */
#define CHUNK 2        /* what is written into a descriptor before it is published */
#define FRAME 3        /* registry_frames[frame] */
#define LOCATIONS 4
#define THREADS 3
#define MESSAGES 4
#include "weak_memory.pml"

#define GROWER 0
#define WALKER 1
#define FREER 2
#ifndef COUNT /* the store of entries_ever */
#define COUNT RELEASE
#endif
#ifndef WALK /* its load */
#define WALK ACQUIRE
#endif
#ifndef PUBLISH /* the store of the frame's word */
#define PUBLISH RELEASE
#endif
#ifndef FIND /* its load */
#define FIND ACQUIRE
#endif

active proctype grower()
{
    LOCALS;
    write_plain(GROWER, SEGMENT, 1);
    store(GROWER, ENTRIES_EVER, 1, COUNT);
    write_plain(GROWER, CHUNK, 1);
    store(GROWER, FRAME, 1, PUBLISH)
}

active proctype walker()
{
    LOCALS;
    byte entries, segment;
    load(WALKER, ENTRIES_EVER, entries, WALK);
    if
    :: entries -> read_plain(WALKER, SEGMENT, segment); assert(segment)
    :: else
    fi
}

active proctype freer()
{
    LOCALS;
    byte frame, chunk;
    load(FREER, FRAME, frame, FIND);
    if
    :: frame -> read_plain(FREER, CHUNK, chunk); assert(chunk)
    :: else
    fi
}
