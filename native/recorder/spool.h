/* spool.h: the spool, which the recorder writes and the resolver reads: raw records in memory-mapped files.
 *
 * In the spool's folder, a process image (a program from its start or fork to its end or exec) has
 *
 *   ID.head       struct spool_head, one page, shared
 *   ID.00000000   segment 0: 32768 records; ID.00000001 the next, and so on
 *   ID.modules    copies of /proc/self/maps, each after a line "@NUMBER"
 *
 * where ID is "PID-TIME", both in hexadecimal. Before the program starts, the reader makes one more file, in which
 * images that get no head, as on a full disk, are counted (struct spool_failures). All files are mapped shared, so that
 * stored words are in the file however the process ends.
 *
 * A record's number comes from head.next, an atomic counter of the process. It is the record's place in the spool
 * and in the total order of calls. A free takes its number before the block is given back, and an allocation
 * after it has got the block. So the number of a block's allocation is below that of its free, which is below
 * the number of the next allocation at the same address.
 *
 *        bit 63      56 55      48 47                                            0
 *   word 0  alignment  |  kind    |  address of the block                           alignment: its log2
 *   word 1  thread, upper 16 bits |  size in bytes (for MODULES the number)
 *   word 2  thread, lower 16 bits |  return address of the call
 *   word 3  clock, never 0
 *
 * Word 3 is stored last, with release, so a record is complete if and only if word 3 is not 0. A new segment is
 * all zeros. */
#ifndef HAK_SPOOL_H
#define HAK_SPOOL_H

#include <stdatomic.h>
#include <stdint.h>

#define SPOOL_MAGIC 0x314C4F4F504B4148u /* "HAKPOOL1" */
#define SPOOL_FOLDER_VARIABLE "HAKMEM_RECORD_SPOOL"
#define SPOOL_READER_LOCK "reader" /* a file in the folder; the reader holds a lock on it */

#define SPOOL_FAILURES "failures"

#define SPOOL_SEGMENT_SHIFT 15
#define SPOOL_SEGMENT_RECORDS (1u << SPOOL_SEGMENT_SHIFT)
#define SPOOL_SEGMENT_BYTES (SPOOL_SEGMENT_RECORDS * sizeof(struct spool_record))
#define SPOOL_HEAD_BYTES 4096

#define SPOOL_VALUE_BITS 48
#define SPOOL_VALUE_MASK ((UINT64_C(1) << SPOOL_VALUE_BITS) - 1)

enum spool_kind {
    SPOOL_MALLOC = 1,
    SPOOL_CALLOC,
    SPOOL_ALIGNED,
    SPOOL_FREE,
    SPOOL_REALLOC_BEGIN, /* address: the old block; the record is numbered before the call */
    SPOOL_REALLOC_END,   /* address: the new block, or 0; it belongs to the thread's last REALLOC_BEGIN */
    SPOOL_THREAD_START,
    SPOOL_THREAD_END,
    SPOOL_MODULES /* a copy of the maps was added; if address is 1, call sites known before must be looked up anew */
};

struct spool_record {
    _Atomic uint64_t word[4];
};

struct spool_head {
    /* Written once, before the file has its name. */
    uint64_t magic;
    uint32_t pid, parent_pid;
    uint32_t clock_is_tsc; /* 1: the processor's counter; 0: CLOCK_MONOTONIC in ns */
    uint32_t command_bytes;
    uint64_t start_clock, start_monotonic_ns, start_realtime_ns;
    char program[256];  /* /proc/self/exe */
    char command[3072]; /* /proc/self/cmdline: words, each terminated by NUL */
    /* Written by the process. */
    _Alignas(64) _Atomic uint64_t next; /* number of the next record; relaxed */
    _Atomic uint32_t threads;           /* how many threads have got an index so far */
    _Alignas(64) _Atomic uint32_t stopped; /* errno with which the recording ended before the process did; release */
    _Atomic uint32_t ended;                /* exit or _exit was called */
    /* Written by the reader. */
    _Atomic uint64_t consumed; /* records below this number were read, and their segments may be unmapped; release */
    _Atomic uint32_t stop;     /* 1: the recording is to end */
};

struct spool_failures {
    _Atomic uint32_t count; /* number of process images that could not be recorded; relaxed */
    _Atomic uint32_t error; /* errno of the first; relaxed */
};

_Static_assert(sizeof(struct spool_record) == 32, "a record is 32 bytes");
_Static_assert(sizeof(struct spool_head) <= SPOOL_HEAD_BYTES, "the head fits its page");

#endif
