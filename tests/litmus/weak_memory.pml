/* weak_memory.pml: C11's memory as spin can explore it.
 *
 * Each location keeps all values it ever had. A thread may load any of them that is not older than what it has seen of
 * the location: so an ordinary load may be stale, and stores of one thread become visible to others in any order. A
 * release store carries what its thread has seen, and an acquire load that finds it takes that over; fences do both
 * for other accesses. This is the "view" reading of RC11 (Lahav et al., Repairing sequential consistency in C/C++11,
 * PLDI 2017; Kang et al., A promising semantics, POPL 2017), without loads that are satisfied by later stores. It
 * allows more than a 64-bit ARM does otherwise: dependencies order nothing here, nor do writes of many copies.
 *
 * A model defines LOCATIONS, THREADS and MESSAGES (most values a location ever has). Every location begins with 0.
 * Stores of a location that several threads write are appended in the order in which they run: use them under a lock
 * or after a read-modify-write. */

typedef Seen {
    byte up_to[LOCATIONS]
}
typedef Message {
    byte value;
    Seen seen
}
typedef Location {
    Message message[MESSAGES];
    byte newest
}
typedef Thread {
    Seen now;      /* what it has seen */
    Seen acquired; /* what an acquire fence will add */
    Seen released  /* what was seen at the last release fence: its later relaxed stores carry that */
}
Location memory[LOCATIONS];
Thread thread[THREADS];
Seen in_order; /* of the fences of all threads that are sequentially consistent */

#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 2
#define ACQ_REL 3

/* `into` has seen whatever `from` has. */
#define JOIN(into, from)                                                                                               \
    for (at : 0 .. LOCATIONS - 1) {                                                                                    \
        into.up_to[at] = (from.up_to[at] > into.up_to[at] -> from.up_to[at] : into.up_to[at])                                          \
    }

/* Each process that accesses memory declares these. */
#define LOCALS                                                                                                         \
    byte at, pick, last

inline take_message(me, place, order)
{
    JOIN(thread[me].acquired, memory[place].message[pick].seen);
    if
    :: (order & ACQUIRE) -> JOIN(thread[me].now, memory[place].message[pick].seen)
    :: else
    fi;
    thread[me].now.up_to[place] = pick
}

inline add_message(me, place, what, order)
{
    assert(memory[place].newest < MESSAGES - 1);
    memory[place].newest++;
    last = memory[place].newest;
    thread[me].now.up_to[place] = last;
    memory[place].message[last].value = what;
    if
    :: (order & RELEASE) -> JOIN(memory[place].message[last].seen, thread[me].now)
    :: else -> JOIN(memory[place].message[last].seen, thread[me].released)
    fi;
    memory[place].message[last].seen.up_to[place] = last
}

inline load(me, place, result, order)
{
    atomic {
        select (pick : thread[me].now.up_to[place] .. memory[place].newest);
        d_step {
            take_message(me, place, order);
            result = memory[place].message[pick].value;
            pick = 0
        }
    }
}

inline store(me, place, what, order)
{
    d_step {
        add_message(me, place, what, order);
        at = 0;
        last = 0
    }
}

/* A read-modify-write: it finds the newest value. One that replaces a release store goes on releasing what that did. */
inline exchange(me, place, result, what, order)
{
    d_step {
        pick = memory[place].newest;
        take_message(me, place, order);
        result = memory[place].message[pick].value;
        add_message(me, place, what, order);
        JOIN(memory[place].message[last].seen, memory[place].message[pick].seen);
        at = 0;
        pick = 0;
        last = 0
    }
}

/* An addition; `result` is the value before. */
inline add(me, place, result, what, order)
{
    d_step {
        pick = memory[place].newest;
        take_message(me, place, order);
        result = memory[place].message[pick].value;
        add_message(me, place, result + what, order);
        JOIN(memory[place].message[last].seen, memory[place].message[pick].seen);
        at = 0;
        pick = 0;
        last = 0
    }
}

/* A compare-and-swap; a failed one is a relaxed load of the newest value. */
inline compare_exchange(me, place, expected, what, is_done, order)
{
    d_step {
        pick = memory[place].newest;
        if
        :: memory[place].message[pick].value == expected ->
            take_message(me, place, order);
            add_message(me, place, what, order);
            JOIN(memory[place].message[last].seen, memory[place].message[pick].seen);
            is_done = 1
        :: else ->
            thread[me].now.up_to[place] = pick;
            expected = memory[place].message[pick].value;
            is_done = 0
        fi;
        at = 0;
        pick = 0;
        last = 0
    }
}

/* Of ordinary variables: whoever accesses one has seen every access before, or there is a race. */
inline read_plain(me, place, result)
{
    d_step {
        assert(thread[me].now.up_to[place] == memory[place].newest);
        result = memory[place].message[memory[place].newest].value;
        add_message(me, place, result, RELAXED); /* so that a later write that has not seen this read is found */
        at = 0;
        last = 0
    }
}

inline write_plain(me, place, what)
{
    d_step {
        assert(thread[me].now.up_to[place] == memory[place].newest);
        add_message(me, place, what, RELAXED);
        at = 0;
        last = 0
    }
}

inline fence_acquire(me)
{
    d_step {
        JOIN(thread[me].now, thread[me].acquired);
        at = 0
    }
}

inline fence_release(me)
{
    d_step {
        JOIN(thread[me].released, thread[me].now);
        at = 0
    }
}

inline fence_in_order(me)
{
    d_step {
        JOIN(thread[me].now, thread[me].acquired);
        JOIN(thread[me].now, in_order);
        JOIN(in_order, thread[me].now);
        JOIN(thread[me].released, thread[me].now);
        at = 0
    }
}
