/* The memory itself: the classic message, and the classic store buffer. */
#define LOCATIONS 2
#define THREADS 2
#define MESSAGES 3
#include "weak_memory.pml"

#ifndef STORE
#define STORE RELEASE
#endif
#ifndef LOAD
#define LOAD ACQUIRE
#endif

active proctype sender()
{
    LOCALS;
    store(0, 0, 1, RELAXED);
    store(0, 1, 1, STORE)
}

active proctype receiver()
{
    LOCALS;
    byte flag, data;
    load(1, 1, flag, LOAD);
    load(1, 0, data, RELAXED);
    assert(!flag || data)
}
