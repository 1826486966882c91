/* os.h: the only place that asks the system for memory, time or identity. It leaves errno alone. range.h decides where
 * memory lies. Nothing is mapped with MAP_NORESERVE, so the kernel decides by its rules of overcommit whether memory is
 * available. */
#ifndef HAK_OS_H
#define HAK_OS_H

#include "base.h"

/* Once a process has confined itself (seccomp), the first system call that its filter does not allow may end it, so no
 * call can be tried to see whether it is allowed. From then on only mmap, munmap and futex are called: memory is given
 * back by mapping anew over it, pages are copied instead of moved, huge pages are not asked for, and only clocks are read
 * that the vDSO reads without a call. A failed attempt to confine is taken back. */
extern _Atomic uint32_t os_confinements; /* relaxed: the thread that confines itself sees it, others may see it later */
static inline bool os_is_confined(void)
{
    return UNLIKELY(atomic_load_explicit(&os_confinements, memory_order_relaxed) != 0);
}

/* Maps zeroed, readable and writable pages; NULL on failure. For metadata, which is counted (os.metadata_bytes) and never
 * given back, except what two threads mapped for the same purpose. */
void *os_map(size_t bytes);
/* From now on os_map maps in this stretch of addresses, as far as they are free. */
void os_place_metadata(void *start, size_t bytes);
void os_unmap_metadata(void *start, size_t bytes);
/* The same, aligned to a power of two, for chunks outside the range. os_unmap gives it back. */
void *os_map_aligned(size_t bytes, size_t alignment);
/* Maps like os_map, but at `start`, and only if nothing is mapped there: otherwise it returns OS_OCCUPIED. The system
 * merges neighbours into one mapping. */
enum os_placing { OS_PLACED, OS_OCCUPIED, OS_NO_MEMORY };
enum os_placing os_map_at(void *start, size_t bytes);
/* Returns false, with the memory still mapped, if the system refused because the process has as many mappings as it may. */
bool os_unmap(void *start, size_t bytes);
/* Drops the content, so that the next access finds zeros. Returns false if the system refused; the content is then
 * undefined. */
bool os_purge(void *start, size_t bytes);
/* Takes pages of a file that nobody wrote to out of the process. The next access brings them back. */
void os_forget_constants(const char *start, const char *end);
/* Moves the pages of [from, from+bytes) to `to`, both inside the range; `from` then reads as zeros. The
 * system refuses if `from` consists of several mappings, as the target of earlier moves does. OS_LOST: it refused, and
 * something else may be mapped at [to, to+bytes) by now, which therefore must never be used again. */
enum os_move { OS_MOVED, OS_REFUSED, OS_LOST };
enum os_move os_move_pages(void *from, void *to, size_t bytes);
/* Maps pages of the allocator anew, as os_map would. Returns false, with the pages unchanged, if the system refused. */
bool os_renew(void *start, size_t bytes);
void os_advise_huge_pages(void *start, size_t bytes, bool are_wanted);
/* How many bytes of a frame of CHUNK_BYTES are resident; -1 if it is not mapped, or if the system may not be asked. */
int64_t os_count_written(const void *frame);
/* Splits a huge page, of which parts are about to be purged, into small ones. Otherwise no part of it would become free for
 * others before memory is short, though it no longer counted as resident, and the system might make the page whole again.
 * `purged` is the address of a page in it whose content is not needed. */
void os_split_huge_page(void *huge_page, void *purged);

/* Makes pages present that will be written. Returns false if a page is not available (on a full tmpfs), because the first
 * access would raise SIGBUS. Returns true on systems that cannot tell. */
bool os_populate(void *start, size_t bytes);

/* A word that is cleared in every child of this process, even in one made without the fork handlers (clone). The child's
 * first slow path makes it known, with a control block of its own. So a child that only ends or becomes another program
 * makes no system call of the allocator. The word is always KNOWN on systems that cannot clear it. */
enum process_state {
    PROCESS_UNKNOWN, /* a child; threads that do not exist in it may have held locks */
    PROCESS_KNOWN,
    PROCESS_CHANGING, /* a thread of the child is making it known */
    PROCESS_FORKED    /* a child that the fork handlers have seen: its locks are free */
};
extern _Atomic uint32_t *os_process_word;
void os_watch_for_children(void);
bool os_watches_for_children(void);

static inline enum process_state os_process_state(void)
{
    return (enum process_state)atomic_load_explicit(os_process_word, memory_order_acquire);
}

uint64_t os_now_ns(void);        /* CLOCK_MONOTONIC */
uint64_t os_now_coarse_ms(void); /* CLOCK_MONOTONIC_COARSE, which is cheap and a few ms behind */
uint32_t os_thread_id(void);
uint64_t os_resident_bytes(void); /* resident bytes of the process; 0 if they cannot be read */
uint32_t os_cpu_count(void);

#endif
