/* hak_block.h: the memory layout of a control block, shared by publishers (allocator, agents, workload
 * runner) and readers. It is a layout only: block/writer.h makes blocks, and hak_reader.h reads them.
 *
 * A block is one file of shared memory in <tmpfs>/hakmem-<uid>/. Its name is <pid>.<start_ticks>.<kind>, or, in a PID
 * namespace other than the system's first, <pid>.<start_ticks>.<inode of the namespace>.<kind>.
 *
 * The publisher holds an exclusive lock on the whole file (flock) through its mapping. The system drops the lock
 * with the last mapping: at exec, and however the process ends. A process that can take the lock has proof that
 * no process publishes the block, and a file is only removed with that proof. (A file that names no PID namespace comes
 * from a version that took no lock. A free lock proves nothing for it, and it stays.) A child of fork holds its parent's
 * lock as well, until it makes a block of its own. So a reader that can see the publisher also checks whether it runs.
 *
 *   offset 0        header: identity, section directory, control words      HAK_HEADER_BYTES
 *   section[k]      array of `count` records, `stride` bytes apart, from `offset`
 *
 *   TUNABLE, CONSTRAINT, METRIC, AXIS, AXIS_ITEM, EVENT_KIND, EVENT_CAUSE   descriptors, never change
 *   REQUESTED       two slots of `count` doubles; generation & 1 selects the current one. In a block that
 *                   KEEPS_LEASES two more: the values to go back to, and those that are held
 *   EFFECTIVE       one double for each tunable: the value in effect now
 *   DATA            metric words, laid out by the publisher; METRIC records say where
 *   EVENT           ring of struct hak_event, a power of two
 *
 * Everything that a reader shows comes from the descriptors; it knows no tunable or metric by name.
 * All values of tunables are doubles (integers up to 2^53 are exact), and all metric words have 64 bits.
 *
 * Memory orders of the words that change:
 *   requested slot    the inactive one is written by a setter that holds the OFD lock, by pwrite; then
 *   generation        by the setter, one aligned word, by a further pwrite, with a full fence between
 *                     the two: the kernel's stores keep this order on every processor; the publisher
 *                     loads acquire, copies with acquire loads, rechecks; readers use pread, with a full
 *                     fence after each; a word seen half-written fails the recheck
 *   setter            relaxed, before the generation that it names; 0 if no setter named itself
 *   effective         by the publisher, while the top bit of effective_generation is set; then
 *   effective_generation  store release (readers load acquire, copy, recheck)
 *   metric words      one writer each (or atomic adds), relaxed
 *   axis count        store release by the publisher after the rows are ready, load acquire
 *   event             index from event_head, slot claimed by CAS of its sequence to an odd value (a writer
 *                     that was lapped gives up and counts event_lost); sequence store release after the body
 *   state             store release by the publisher
 *   samples           store release by a publisher that measures on demand, after the measured values
 *   memory_layout     store release by the publisher, once, after memory_start and memory_end and what it points to
 *
 * A lease is what a setter holds that tries settings and must not leave them behind. While it holds, tunables may be set
 * to the values in the slot of held values. The holder renews it again and again. If the holder dies, or does not go on,
 * the lease lapses, and every tunable that still has its held value has the value to go back to instead: for
 * the publisher, which copies the requested values so, and for readers. So nobody has to write anything for a program to
 * go back. The publisher only has to notice: it adds HAK_LAPSE_STEP to the generation, whose low bit stays. The next
 * setter writes the values so, ends the lapsed lease, and then sets. A tunable that somebody else set meanwhile keeps that
 * value.
 *
 *   lease slots       by a setter that holds the OFD lock, by pwrite, while lease_until_ns is 0; NaN where a tunable
 *                     does not belong to the lease
 *   lease_until_ns    by that setter, one aligned word, by a further pwrite; the publisher loads acquire, copies
 *                     the slots with acquire loads, rechecks. In a child of fork it is 1: its parent's lease has lapsed
 *   lease_holder      as lease slots; the publisher does not read it
 *   generation + step by the publisher, by an atomic addition after the lease has lapsed. A setter that read the former
 *                     generation overwrites it by the next one, which is seen, too, because the step is larger than
 *                     the few sets that may follow before the publisher looks
 *
 * A publisher that measures on demand (is_on_demand) sleeps in a futex on the low half of `generation`. A set
 * changes that word and wakes it. A reader that only looks wakes it, too, but changes nothing, and waits a moment
 * in a futex on `samples`. Both futexes are of the shared kind, which the file and the place in it identify.
 */
#ifndef HAK_BLOCK_H
#define HAK_BLOCK_H

#include <stdint.h>

#define HAK_MAGIC UINT64_C(0x314b4c424b4148) /* "HAKBLK1" */
/* Version 2 has actions, settings that cannot be read, the effects after START and the roles after CACHED. */
#define HAK_ABI_VERSION 2u
#define HAK_ABI_OLDEST 1u
#define HAK_HEADER_BYTES 4096u
#define HAK_LAPSE_STEP 1024u   /* even */
#define HAK_EFFECTIVE_BUSY (UINT64_C(1) << 63) /* this bit of effective_generation is set while the values change */

enum hak_section {
    HAK_SECTION_TUNABLE,
    HAK_SECTION_CONSTRAINT,
    HAK_SECTION_METRIC,
    HAK_SECTION_AXIS,
    HAK_SECTION_AXIS_ITEM,
    HAK_SECTION_EVENT_KIND,
    HAK_SECTION_EVENT_CAUSE,
    HAK_SECTION_REQUESTED,
    HAK_SECTION_EFFECTIVE,
    HAK_SECTION_DATA,
    HAK_SECTION_EVENT,
    HAK_SECTION_COUNT
};

/* An ACTION is something that the publisher does when it is asked to, such as giving memory back. Its requested value is
 * how often it was asked for, and its effective value is how often it was done. A set proposes 1, which is added. */
enum hak_type { HAK_TYPE_INT, HAK_TYPE_BOOL, HAK_TYPE_REAL, HAK_TYPE_CHOICE, HAK_TYPE_ACTION };
enum hak_tunable_flag {
    HAK_TUNABLE_WRITE_ONLY = 1 /* the publisher cannot read it; its effective value is the one that was set last */
};
enum hak_scale { HAK_SCALE_LINEAR, HAK_SCALE_LOG };
/* When, or for what, a changed tunable takes effect. START: it is fixed once the process runs, and a set is refused. */
enum hak_effect {
    HAK_EFFECT_LIVE,
    HAK_EFFECT_NEW_THREADS,
    HAK_EFFECT_START,
    HAK_EFFECT_NEW_ARENAS,
    HAK_EFFECT_NEW_MAPPINGS
};
enum hak_block_flag {
    HAK_BLOCK_SERVES_MALLOC = 1,   /* the program's malloc is the publisher's; at most one block of a process has this */
    HAK_BLOCK_UNKNOWN_VERSION = 2, /* the meaning of this version's settings is not known, so they cannot be set */
    HAK_BLOCK_KEEPS_LEASES = 4,    /* the publisher notices when a lease lapses */
};
enum hak_access { HAK_ACCESS_OFF, HAK_ACCESS_READ, HAK_ACCESS_WRITE };
enum hak_state { HAK_STATE_STARTING, HAK_STATE_LIVE, HAK_STATE_EXITED };

/* A COUNTER only grows, and its rate is shown; a GAUGE is a level. The reader derives QUOTIENT (operand_a / operand_b)
 * and DIFFERENCE (operand_a - operand_b) from two other metrics, each of which is first folded to one value. Between two
 * snapshots, a quotient of counters is the quotient of their increments. */
enum hak_metric_kind { HAK_METRIC_COUNTER, HAK_METRIC_GAUGE, HAK_METRIC_QUOTIENT, HAK_METRIC_DIFFERENCE };
/* How the values of several threads, or of the classes of one group, become one value. */
enum hak_fold { HAK_FOLD_SUM, HAK_FOLD_MAX };
enum hak_role {
    HAK_ROLE_NONE,
    HAK_ROLE_THREAD_ID, /* per thread: kernel thread id, or 0 if the row is free (row 0: threads that have ended) */
    HAK_ROLE_ADOPTED,   /* per thread: generation of the settings that it has adopted */
    HAK_ROLE_OPERATIONS, /* the count whose rate is the throughput of this block */
    HAK_ROLE_CACHED,     /* bytes of free blocks that a cache keeps; all such metrics are added */
    HAK_ROLE_LIVE,       /* bytes of blocks at the user */
    HAK_ROLE_DIRTY,      /* bytes of unused pages that were not given back */
    HAK_ROLE_RETAINED,   /* bytes of address space that is kept without pages */
    HAK_ROLE_METADATA,   /* bytes of the allocator's own records */
    HAK_ROLE_RESIDENT,   /* bytes that may be in RAM */
    HAK_ROLE_MISSES,     /* counts allocations that no cache could serve */
    HAK_ROLE_CACHED_BLOCKS, /* for each class: free blocks in caches that its slabs count as used */
    /* Thread caches, per thread and class: refills and flushes (all such metrics are added), and capacity. */
    HAK_ROLE_EXCHANGES,
    HAK_ROLE_CACHE_SLOTS,
    /* Ghosts, caches of other capacities that are only counted: operations per class; per class and capacity the operations
     * that they saw, their refills and flushes, and the blocks that they would hold, summed over what they saw. */
    HAK_ROLE_GHOST_OPERATIONS,
    HAK_ROLE_GHOST_OBSERVED,
    HAK_ROLE_GHOST_EXCHANGES,
    HAK_ROLE_GHOST_HELD,
    /* Exchanges that came after a real cache got another capacity, and by how much what its ghost foretold was wrong. */
    HAK_ROLE_GHOST_CAME,
    HAK_ROLE_GHOST_MISSED,
    /* A cache of large blocks: allocations that looked for one there, and those that found one (all such metrics are added);
     * what the cache holds, summed over what its ghosts saw. */
    HAK_ROLE_LARGE_LOOKUPS,
    HAK_ROLE_LARGE_HITS,
    HAK_ROLE_LARGE_HELD,
    /* Its ghosts, copies of other sizes that are only counted: lookups that they saw, and what they hold, summed over these,
     * in the unit of LARGE_HELD; and hits. The axes of hits are two tunables, by name, and their labels values of these:
     * the most bytes that the cache keeps, and for how many milliseconds (the last one: for ever). A hit is counted at
     * the shortest delay with which it is one. */
    HAK_ROLE_LARGE_GHOST_LOOKUPS,
    HAK_ROLE_LARGE_GHOST_HELD,
    HAK_ROLE_LARGE_GHOST_HITS,
    /* Per class and capacity of a ghost: the square of the error that sampling brings to its exchanges. */
    HAK_ROLE_GHOST_VARIANCE
};
#define HAK_NO_AXIS 0xffffffffu

struct hak_tunable {
    char name[48];
    char group[32]; /* component, the heading in the panel */
    char unit[24];
    char help[200];
    char choices[96]; /* CHOICE: comma separated; the value is the index */
    char environment[64]; /* NAME; or NAME, the separator of its items, and the start of this item: "A_CONF,key:".
                           * A boolean may end with the words for off and on: "A_CONF,key:no|yes" */
    uint32_t type, scale, effect, flags;
    double minimum, maximum, default_value;
};

/* tunable[lower] <= tunable[upper], or < if strict. */
struct hak_constraint {
    uint32_t lower, upper, strict, reserved;
};

struct hak_metric {
    char name[48];
    char group[32];
    char unit[24];
    char help[160];
    char chart[32]; /* title of the chart that shows it; empty if only tables show it */
    uint32_t kind, fold, role;
    uint32_t is_step;                /* it is drawn as a step line */
    uint32_t axis[2];                /* indices of its axes, or HAK_NO_AXIS */
    uint32_t operand_a, operand_b;   /* metric indices, QUOTIENT and DIFFERENCE only */
    uint64_t offset, stride[2];      /* bytes, from the start of DATA */
};

struct hak_axis {
    char name[24];
    uint32_t maximum;              /* rows that exist */
    _Atomic uint32_t count;        /* rows in use, <= maximum */
    uint32_t first_item;           /* index of its first AXIS_ITEM; items may be fewer than rows */
    uint32_t item_count;
};

struct hak_axis_item {
    char label[24]; /* e.g. "48 B" */
    char group[8];  /* e.g. "C3"; charts draw one line for each group */
};

struct hak_event_kind {
    char name[24];
    char help[96];
    char unit[24];        /* of old_value and new_value */
    uint32_t is_capacity; /* shown in the panel's log */
    uint32_t axis;        /* what `item` counts along, or HAK_NO_AXIS */
};

struct hak_event_cause {
    char name[24];
};

struct hak_event {
    _Atomic uint64_t sequence; /* 2 * index + 2 when complete, odd while being written */
    uint64_t time_ns;          /* CLOCK_MONOTONIC */
    uint64_t operation;        /* the thread's operation count */
    double old_value, new_value;
    uint32_t thread; /* kernel thread id */
    uint16_t kind, cause;
    uint32_t item; /* index of a class, shard or action along the kind's axis, or HAK_NO_AXIS */
    uint32_t detail; /* a further number for the publisher's own log; readers need not know it */
    uint64_t reserved;
};

struct hak_section_entry {
    uint64_t offset;
    uint32_t count, stride;
};

struct hak_header {
    uint64_t magic;
    uint32_t abi_version, header_bytes;
    uint64_t total_bytes;
    uint32_t pid, uid;
    uint64_t start_ticks;    /* field 22 of /proc/<pid>/stat: with pid, names the process */
    uint64_t created_ns;     /* CLOCK_MONOTONIC */
    char kind[16];           /* "hakmem", "hakmem-hak" (called by its hak_ names), "workload" */
    char build[96];          /* version, compiler, options */
    char command[256];       /* the process's command line, spaces between words */
    uint32_t access;         /* enum hak_access: what other processes may do */
    _Atomic uint32_t state;  /* enum hak_state */
    struct hak_section_entry section[HAK_SECTION_COUNT];

    /* Control words. Words of different writers are on different cache lines. */
    _Alignas(64) _Atomic uint64_t generation;           /* of REQUESTED; written by setters */
    _Atomic uint64_t setter; /* low half: pid of the last setter; high half: its generation; written by setters */
    _Alignas(64) _Atomic uint64_t effective_generation; /* of EFFECTIVE; written by the publisher */
    _Alignas(64) _Atomic uint64_t event_head;           /* index of the next event; written by the publisher */
    _Alignas(64) _Atomic uint64_t event_lost;           /* number of events that lapped writers gave up */

    /* Inodes of the namespaces in which pid and start_ticks were read, or 0 if not known. They never change. */
    _Alignas(64) uint64_t pid_namespace;
    uint64_t time_namespace;
    uint32_t is_on_demand;      /* metrics and effective values are measured when a reader looks */
    _Atomic uint32_t samples;   /* counts the answers to readers; written by the publisher */
    uint32_t flags;             /* enum hak_block_flag; they never change */

    /* CLOCK_MONOTONIC until which the lease holds, or 0 if there is none; and who holds it. Written by setters. */
    _Alignas(64) _Atomic uint64_t lease_until_ns;
    _Atomic uint64_t lease_holder; /* low half: pid; high half: a number of its own */

    /* Addresses in the publisher: of a struct hak_memory (hak_memory.h), and between which its records and blocks lie.
     * They are 0 if it tells nothing of its memory, or has not yet. */
    _Alignas(64) uint64_t memory_start;
    uint64_t memory_end;
    _Atomic uint64_t memory_layout;
};

/* Puts the values to go back to in place of those that are held. */
static inline void hak_give_back(double *values, const double *back, const double *held, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (back[i] == back[i] && values[i] == held[i]) /* a NaN is not equal to itself */
            values[i] = back[i];
}

_Static_assert(sizeof(struct hak_event) == 64, "one event, one cache line");
_Static_assert(sizeof(struct hak_header) <= HAK_HEADER_BYTES, "the header fits its page");

#endif
