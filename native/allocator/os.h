/* os.h: the only place that asks the system for memory, time or identity. Leaves errno alone. Where memory lies is
 * range.h's to say. Nothing is mapped with MAP_NORESERVE: whether memory is to be had is the kernel's decision,
 * by its rules of overcommit. */
#ifndef HAK_OS_H
#define HAK_OS_H

#include "base.h"

/* A process that has confined itself (seccomp) is ended by the first system call that its filter does not have, so
 * nothing is tried to see whether it is allowed. From then on only mmap, munmap and futex are called: memory is given
 * back by mapping anew over it, pages are not moved but copied, nobody asks for huge pages, and clocks are those that
 * the vDSO reads without a call. A failed attempt to confine is taken back. */
extern _Atomic uint32_t os_confinements; /* relaxed: the thread that confines itself knows, others may be late */
static inline bool os_is_confined(void)
{
    return UNLIKELY(atomic_load_explicit(&os_confinements, memory_order_relaxed) != 0);
}

/* Zeroed, readable and writable, page aligned; NULL on failure. For metadata: never given back. */
void *os_map(size_t bytes);
/* The same, aligned to a power of two, for chunks outside the range; os_unmap returns it. */
void *os_map_aligned(size_t bytes, size_t alignment);
/* As os_map, at this place, and only if nothing is mapped there: OCCUPIED otherwise. Neighbours become one mapping. */
enum os_placing { OS_PLACED, OS_OCCUPIED, OS_NO_MEMORY };
enum os_placing os_map_at(void *start, size_t bytes);
/* False: the system refused, as the process has as many mappings as it may; it is still there. */
bool os_unmap(void *start, size_t bytes);
/* Drops the content: the next touch finds zeros. False if the system refused (content undefined). */
bool os_purge(void *start, size_t bytes);
/* Moves the pages of [from, from+bytes) to `to`, both inside the range; `from` then reads as zeros. The
 * system refuses if `from` consists of several mappings (a target of moves does). LOST: it refused, and
 * [to, to+bytes) may by now be another's: it must never be used again. */
enum os_move { OS_MOVED, OS_REFUSED, OS_LOST };
enum os_move os_move_pages(void *from, void *to, size_t bytes);
/* Maps pages of ours anew, as os_map would; false: the system refused, and they are as they were. */
bool os_renew(void *start, size_t bytes);
void os_advise_huge_pages(void *start, size_t bytes, bool are_wanted);

/* Makes pages present that will be written; false where a page cannot be had (a full tmpfs), which
 * would be SIGBUS at the first touch. True on systems that cannot tell. */
bool os_populate(void *start, size_t bytes);

/* A word that a child of this process finds cleared, even one made without the handlers of fork (clone).
 * A child is made known, with a control block of its own, by its first slow path: one that only ends or becomes
 * another program makes no system call of ours. Always KNOWN on systems that cannot clear the word. */
enum process_state {
    PROCESS_UNKNOWN, /* a child; who held the locks in its parent is not known */
    PROCESS_KNOWN,
    PROCESS_CHANGING, /* a thread of the child is making it known */
    PROCESS_FORKED    /* a child that the handlers of fork have seen: its locks are free */
};
extern _Atomic uint32_t *os_process_word;
void os_watch_for_children(void);
bool os_watches_for_children(void);

static inline enum process_state os_process_state(void)
{
    return (enum process_state)atomic_load_explicit(os_process_word, memory_order_acquire);
}

uint64_t os_now_ns(void);        /* CLOCK_MONOTONIC */
uint64_t os_now_coarse_ms(void); /* CLOCK_MONOTONIC_COARSE, cheap, a few ms behind */
uint32_t os_thread_id(void);
uint64_t os_resident_bytes(void); /* of the process; 0 if that cannot be read */
uint32_t os_cpu_count(void);

#endif
