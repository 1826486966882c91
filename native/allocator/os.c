/* os.c: implements os.h by plain system calls (system_call.h), and counts them. */
#include "os.h"

#include "system_call.h"
#include "system_clock.h"
#include "telemetry.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

_Atomic uint32_t os_confinements;

static void count_mapping(void)
{
    telemetry_add(&telemetry->global.mapping_calls, 1);
}

static void *map(void *hint, size_t bytes, int protection, int flags)
{
    count_mapping();
    return system_map(hint, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

bool os_unmap(void *start, size_t bytes)
{
    count_mapping();
    return SYSTEM_CALL(SYS_munmap, start, bytes) == 0;
}

/* Where the next metadata goes, and the end of the place for it. Relaxed: a thread that still sees 0 maps anywhere. */
static _Atomic uintptr_t metadata_next, metadata_end;

void os_place_metadata(void *start, size_t bytes)
{
    atomic_store_explicit(&metadata_next, (uintptr_t)start, memory_order_relaxed);
    atomic_store_explicit(&metadata_end, (uintptr_t)start + bytes, memory_order_relaxed);
}

/* Returns NULL if there is no place. The system takes the address for a hint. */
static void *take_metadata_place(size_t bytes)
{
    uintptr_t end = atomic_load_explicit(&metadata_end, memory_order_relaxed);
    if (!end)
        return NULL;
    uintptr_t start = atomic_fetch_add_explicit(&metadata_next, bytes, memory_order_relaxed);
    return start < end && bytes <= end - start ? (void *)start : NULL;
}

void *os_map(size_t bytes)
{
    bytes = round_up(bytes, PAGE_BYTES);
    void *start = map(take_metadata_place(bytes), bytes, PROT_READ | PROT_WRITE, 0);
    telemetry_add(&telemetry->global.metadata_bytes, start ? (int64_t)bytes : 0);
    return start;
}

void os_unmap_metadata(void *start, size_t bytes)
{
    if (os_unmap(start, bytes))
        telemetry_add(&telemetry->global.metadata_bytes, -(int64_t)round_up(bytes, PAGE_BYTES));
}

void *os_map_aligned(size_t bytes, size_t alignment)
{
    if (bytes > SIZE_MAX - alignment)
        return NULL;
    char *start = map(NULL, bytes + alignment, PROT_READ | PROT_WRITE, 0);
    if (!start)
        return NULL;
    char *aligned = (char *)round_up((uintptr_t)start, alignment);
    if (aligned > start)
        os_unmap(start, (size_t)(aligned - start));
    size_t tail = (size_t)(start + alignment - aligned);
    if (tail)
        os_unmap(aligned + bytes, tail);
    return aligned;
}

/* A kernel, or valgrind, that does not know MAP_FIXED_NOREPLACE takes `start` for a hint. */
enum os_placing os_map_at(void *start, size_t bytes)
{
    count_mapping();
    long result = SYSTEM_CALL(SYS_mmap, start, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (result == (long)start)
        return OS_PLACED;
    if (result < 0 && result >= -4095)
        return result == -EEXIST ? OS_OCCUPIED : OS_NO_MEMORY;
    os_unmap((void *)result, bytes);
    return OS_OCCUPIED;
}

static long advise(void *start, size_t bytes, int advice)
{
    telemetry_add(&telemetry->global.madvise_calls, 1);
    return SYSTEM_CALL(SYS_madvise, start, bytes, advice);
}

/* If the system unmapped the old pages but had no new ones, the place is mapped once more, so that nothing else takes it. */
static bool map_anew(void *start, size_t bytes)
{
    return map(start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL || os_map_at(start, bytes) == OS_PLACED;
}

static bool count_purged(bool is_purged, size_t bytes)
{
    if (is_purged)
        telemetry_add(&telemetry->global.purged_bytes, (int64_t)bytes);
    return is_purged;
}

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18: gives back locked pages, too (mlockall) */
#endif

bool os_purge(void *start, size_t bytes)
{
    long result = os_is_confined() ? -EPERM : advise(start, bytes, MADV_DONTNEED);
    if (result == -EINVAL)
        result = advise(start, bytes, MADV_DONTNEED_LOCKED);
    bool is_forbidden = result == -EPERM || result == -ENOSYS; /* by a filter with which the process was born */
    return count_purged(result == 0 || (is_forbidden && map_anew(start, bytes)), bytes);
}

void os_forget_constants(const char *start, const char *end)
{
    advise((void *)(uintptr_t)start, (size_t)(end - start), MADV_DONTNEED);
}

/* MREMAP_DONTUNMAP leaves no hole at `from` that another thread's mmap could take. A refused mremap has already unmapped
 * `to`, which is then mapped again, but only if nothing else has been mapped there meanwhile. */
enum os_move os_move_pages(void *from, void *to, size_t bytes)
{
    if (os_is_confined())
        return OS_REFUSED;
    count_mapping();
    if (SYSTEM_CALL(SYS_mremap, from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == (long)to)
        return OS_MOVED;
    return os_map_at(to, bytes) == OS_PLACED ? OS_REFUSED : OS_LOST;
}

bool os_renew(void *start, size_t bytes)
{
    return count_purged(map(start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL, bytes);
}

void os_advise_huge_pages(void *start, size_t bytes, bool are_wanted)
{
    if (!os_is_confined())
        advise(start, bytes, are_wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int64_t os_count_written(const void *frame)
{
    unsigned char pages[CHUNK_BYTES / SMALLEST_PAGE_BYTES]; /* the system's may be smaller than a test's PAGE_BYTES */
    int64_t count = 0;
    if (os_is_confined() || SYSTEM_CALL(SYS_mincore, frame, CHUNK_BYTES, pages) != 0)
        return -1;
    for (size_t i = 0; i < CHUNK_BYTES / PAGE_BYTES; i++)
        count += pages[i] & 1;
    return count * (int64_t)PAGE_BYTES;
}

/* MADV_FREE on a part of a huge page is the only advice that splits it at once. */
void os_split_huge_page(void *huge_page, void *purged)
{
    if (os_is_confined())
        return;
    advise(huge_page, CHUNK_BYTES, MADV_NOHUGEPAGE);
    advise(purged, PAGE_BYTES, MADV_FREE);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

bool os_populate(void *start, size_t bytes)
{
    if (os_is_confined())
        return false;
    uintptr_t first = (uintptr_t)start & ~(PAGE_BYTES - 1);
    size_t length = round_up((uintptr_t)start + bytes - first, PAGE_BYTES);
    long result = SYSTEM_CALL(SYS_madvise, first, length, MADV_POPULATE_WRITE);
    return result == 0 || result == -EINVAL;
}

static _Atomic uint32_t always_known = PROCESS_KNOWN;
_Alignas(CACHE_LINE) _Atomic uint32_t *os_process_word = &always_known;

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

void os_watch_for_children(void)
{
    _Atomic uint32_t *word = os_map(PAGE_BYTES);
    if (!word)
        return;
    if (advise(word, PAGE_BYTES, MADV_WIPEONFORK) != 0) {
        os_unmap_metadata(word, PAGE_BYTES);
        return;
    }
    atomic_store_explicit(word, PROCESS_KNOWN, memory_order_relaxed);
    os_process_word = word;
}

bool os_watches_for_children(void)
{
    return os_process_word != &always_known;
}

/* A confined process reads the coarse clock, because the vDSO may make a system call to read the fine one. */
uint64_t os_now_ns(void)
{
    return os_is_confined() ? system_clock_coarse_ns() : system_clock_ns(CLOCK_MONOTONIC);
}

uint64_t os_now_coarse_ms(void)
{
    return (os_is_confined() ? system_clock_coarse_ns() : system_clock_ns(CLOCK_MONOTONIC_COARSE)) / 1000000u;
}

/* Asks for the thread's number without a system call: the C library writes it into a mutex that the thread locks. */
static uint32_t ask_mutex(void)
{
    pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* locks of this kind are never elided */
    if (pthread_mutex_lock(&mutex) != 0)
        return 0;
    uint32_t owner = (uint32_t)mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return owner;
}

uint32_t os_thread_id(void)
{
    return os_is_confined() ? ask_mutex() : (uint32_t)SYSTEM_CALL(SYS_gettid);
}

uint64_t os_resident_bytes(void)
{
    char text[64]; /* numbers of pages: total, resident, ... */
    uint64_t pages = 0;
    long descriptor = os_is_confined() ? -1 : SYSTEM_CALL(SYS_openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    long length = SYSTEM_CALL(SYS_read, descriptor, text, sizeof text - 1);
    SYSTEM_CALL(SYS_close, descriptor);
    text[length > 0 ? length : 0] = 0;
    const char *digit = text + strcspn(text, " ");
    for (digit += *digit == ' '; *digit >= '0' && *digit <= '9'; digit++)
        pages = pages * 10 + (uint64_t)(*digit - '0');
    return pages * PAGE_BYTES;
}

uint32_t os_cpu_count(void)
{
    cpu_set_t set;
    long bytes = SYSTEM_CALL(SYS_sched_getaffinity, 0, sizeof set, &set);
    int count = bytes > 0 ? CPU_COUNT_S((size_t)bytes, &set) : 1;
    return count > 0 ? (uint32_t)count : 1;
}
