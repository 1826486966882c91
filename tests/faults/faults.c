/* faults.c: a fixed run of allocations in which system calls fail: once, or from some moment on for good.
 * For every moment there is: each call of the allocator succeeds or returns NULL with ENOMEM, free keeps
 * errno, every structure stays whole, and once the system gives again everything is to be had again.
 *
 * The linker sends the allocator's system calls through the __wrap_ functions here (CMakeLists.txt), so
 * the allocator itself knows nothing of this.
 *
 * usage: faults KIND SPAN [STEP]     each STEPth moment, a process each; SPAN: how many calls fail, 0: all that follow
 *        faults KIND SPAN at FIRST   one moment, in this process
 *   KIND: mmap munmap madvise mremap mprotect pthread_create any
 *         file:    what makes, sizes, names and opens the file of a control block
 *         reserve: any, and the range is refused, too
 *         limit:   at that moment the process gets limits of what it has: nothing may grow (SPAN 0) */
#include "check.h"
#include "hakmem.h"
#include "heap.h"
#include "lifecycle.h"
#include "settings.h"
#include "telemetry.h"
#include "tls_cache.h"

#include "component_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

enum kind { MMAP, MUNMAP, MADVISE, MREMAP, MPROTECT, PTHREAD_CREATE, BLOCK_FILE, ANY, RESERVE, LIMIT, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"mmap", "munmap", "madvise", "mremap", "mprotect", "pthread_create",
                                                   "file", "any",    "reserve", "limit"};

/* ---- system calls that fail ------------------------------------------------------------------------- */

/* Shared with children: one count goes on in the child of a fork. */
struct plan {
    enum kind kind;
    uint64_t first, span; /* calls [first, first + span) fail, counted from 1; span 0: all from first on */
    bool is_lifted;       /* the system gives again */
    uint64_t calls, failures, refusals;
    bool is_block_shared; /* a child could not have a block of its own: figures are of both */
};
static struct plan *plan;

/* Address space and writable memory: as much as there is now, or as much as one likes. */
static void set_limits(bool is_tight)
{
    unsigned long pages = 0;
    FILE *file = is_tight ? fopen("/proc/self/statm", "r") : NULL;
    CHECK(!is_tight || (file && fscanf(file, "%lu", &pages) == 1 && fclose(file) == 0));
    struct rlimit space = {.rlim_cur = is_tight ? pages * 4096 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct rlimit data = {.rlim_cur = is_tight ? 0 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &space) == 0 && setrlimit(RLIMIT_DATA, &data) == 0);
}

static bool is_to_fail(enum kind kind, size_t bytes)
{
    if (plan->kind == RESERVE && kind == MMAP && bytes > 1024 * MIB)
        return true; /* whatever else happens, there is no range */
    if (plan->is_lifted || (plan->kind != kind && plan->kind < ANY))
        return false;
    uint64_t number = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_RELAXED);
    if (!plan->first || number < plan->first || (plan->span && number >= plan->first + plan->span))
        return false;
    __atomic_add_fetch(&plan->failures, 1, __ATOMIC_RELAXED);
    if (plan->kind == LIMIT) {
        int saved_errno = errno;
        if (number == plan->first)
            set_limits(true);
        errno = saved_errno;
        return false; /* the system itself refuses what it must */
    }
    errno = ENOMEM;
    return true;
}

/* The allocator's own calls of the system. Those of the file's that are not here cannot fail for want of anything. */
long __real_system_call(long number, long a, long b, long c, long d, long e, long f);
long __wrap_system_call(long number, long a, long b, long c, long d, long e, long f);

/* As the system does, the target of a move is unmapped before the move is refused; or not even that was
 * possible, when everything fails. */
static void unmap_target(size_t bytes, void *to)
{
    CHECK(plan->span != 1 || __real_system_call(SYS_munmap, (long)to, (long)bytes, 0, 0, 0, 0) == 0);
}

long __wrap_system_call(long number, long a, long b, long c, long d, long e, long f)
{
    int saved_errno = errno;
    bool fails = false;
    switch (number) {
    case SYS_mmap:
        fails = is_to_fail(MMAP, (size_t)b);
        break;
    case SYS_munmap:
        fails = is_to_fail(MUNMAP, (size_t)b);
        break;
    case SYS_madvise:
        fails = is_to_fail(MADVISE, (size_t)b);
        break;
    case SYS_mprotect:
        fails = is_to_fail(MPROTECT, (size_t)b);
        break;
    case SYS_mremap:
        fails = is_to_fail(MREMAP, (size_t)b);
        if (fails)
            unmap_target((size_t)c, (void *)e);
        break;
    case SYS_openat:
    case SYS_fallocate:
    case SYS_ftruncate:
    case SYS_renameat2:
    case SYS_pread64:
        fails = is_to_fail(BLOCK_FILE, 0);
        break;
    default:
        break;
    }
    errno = saved_errno;
    return fails ? -ENOMEM : __real_system_call(number, a, b, c, d, e, f);
}

/* The same for the writer of blocks, which still calls the C library. */
void *__real_mmap(void *start, size_t bytes, int protection, int flags, int descriptor, off_t offset);
void *__wrap_mmap(void *start, size_t bytes, int protection, int flags, int descriptor, off_t offset);
void *__wrap_mmap(void *start, size_t bytes, int protection, int flags, int descriptor, off_t offset)
{
    return is_to_fail(MMAP, bytes) ? MAP_FAILED : __real_mmap(start, bytes, protection, flags, descriptor, offset);
}

int __real_munmap(void *start, size_t bytes);
int __wrap_munmap(void *start, size_t bytes);
int __wrap_munmap(void *start, size_t bytes)
{
    return is_to_fail(MUNMAP, bytes) ? -1 : __real_munmap(start, bytes);
}

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice)
{
    return is_to_fail(MADVISE, bytes) ? -1 : __real_madvise(start, bytes, advice);
}

void *__real_mremap(void *start, size_t bytes, size_t new_bytes, int flags, void *to);
void *__wrap_mremap(void *start, size_t bytes, size_t new_bytes, int flags, ...);
void *__wrap_mremap(void *start, size_t bytes, size_t new_bytes, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    void *to = va_arg(arguments, void *);
    va_end(arguments);
    if (!is_to_fail(MREMAP, bytes))
        return __real_mremap(start, bytes, new_bytes, flags, to);
    CHECK(plan->span != 1 || __real_munmap(to, new_bytes) == 0);
    errno = ENOMEM;
    return MAP_FAILED;
}

int __real_mprotect(void *start, size_t bytes, int protection);
int __wrap_mprotect(void *start, size_t bytes, int protection);
int __wrap_mprotect(void *start, size_t bytes, int protection)
{
    return is_to_fail(MPROTECT, bytes) ? -1 : __real_mprotect(start, bytes, protection);
}

typedef void *routine(void *);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine *run, void *argument)
{
    return is_to_fail(PTHREAD_CREATE, 0) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

/* The writer of blocks makes these by number; all others of its calls cannot fail, or not for want of anything. */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    bool is_of_file = number == SYS_openat || number == SYS_fallocate || number == SYS_renameat2 || number == SYS_pread64;
    return is_of_file && is_to_fail(BLOCK_FILE, 0) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

int __real_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes)
{
    return is_to_fail(BLOCK_FILE, 0) ? -1 : __real_ftruncate(descriptor, bytes);
}

/* ---- one call of the allocator, checked ------------------------------------------------------------- */

static uint64_t failures_seen;

/* After a fault everything is looked at: what it broke would show much later else. */
static void look_after_faults(void)
{
    if (failures_seen == plan->failures)
        return;
    failures_seen = plan->failures;
    CHECK(!lifecycle_is_started() || heap_is_valid());
}

enum { EDGE_BYTES = 256, ERRNO_BEFORE = 77 };

static void write_edges(unsigned char *block, size_t bytes)
{
    size_t edge = bytes < EDGE_BYTES ? bytes : EDGE_BYTES;
    memset(block, (int)(bytes % 251), edge);
    memset(block + bytes - edge, (int)(bytes % 251), edge);
}

static void check_edges(const unsigned char *block, size_t bytes, size_t kept)
{
    size_t edge = bytes < EDGE_BYTES ? bytes : EDGE_BYTES;
    for (size_t i = 0; i < edge; i++) {
        CHECK(i >= kept || block[i] == bytes % 251);
        CHECK(bytes - 1 - i >= kept || block[bytes - 1 - i] == bytes % 251);
    }
}

static void *checked(void *block, size_t bytes)
{
    if (block) {
        CHECK(errno == ERRNO_BEFORE);
        write_edges(block, bytes);
    } else {
        CHECK(errno == ENOMEM && plan->failures > 0 && !plan->is_lifted);
        plan->refusals++;
    }
    look_after_faults();
    return block;
}

static void *take(size_t bytes)
{
    errno = ERRNO_BEFORE;
    return checked(hak_malloc(bytes), bytes);
}

static void *take_zeroed(size_t bytes)
{
    errno = ERRNO_BEFORE;
    unsigned char *block = hak_calloc(1, bytes);
    for (size_t i = 0; block && i < bytes; i += bytes > 4 * KIB ? KIB : 1)
        CHECK(block[i] == 0);
    return checked(block, bytes);
}

static void *take_aligned(size_t alignment, size_t bytes)
{
    errno = ERRNO_BEFORE;
    void *block = hak_memalign(alignment, bytes);
    CHECK(((uintptr_t)block & (alignment - 1)) == 0);
    return checked(block, bytes);
}

static void give(void *block, size_t bytes)
{
    if (block)
        check_edges(block, bytes, bytes);
    errno = ERRNO_BEFORE;
    hak_free(block);
    CHECK(errno == ERRNO_BEFORE);
    look_after_faults();
}

/* The block at its new size, or at its old one if that cannot be had. */
static void *resize(void *block, size_t *bytes, size_t wanted)
{
    if (!block)
        return NULL;
    errno = ERRNO_BEFORE;
    void *resized = hak_realloc(block, wanted);
    if (!resized) {
        CHECK(errno == ENOMEM && plan->failures > 0 && !plan->is_lifted);
        check_edges(block, *bytes, *bytes);
        plan->refusals++;
    } else {
        CHECK(errno == ERRNO_BEFORE);
        check_edges(resized, *bytes, wanted < *bytes ? wanted : *bytes);
        block = resized;
        *bytes = wanted;
        write_edges(block, wanted);
    }
    look_after_faults();
    return block;
}

/* ---- the work --------------------------------------------------------------------------------------- */

enum { HELD = 160, SIZES = 10, GROWTHS = 6 };
static const size_t sizes[SIZES] = {16, 100, 700, 1024, 5000, 20 * KIB, 60 * KIB, 400 * KIB, 1024 * KIB, 3 * MIB};

/* Many of each size at once, given back in another order. */
static void use_every_size(void)
{
    static void *held[HELD];
    for (unsigned s = 0; s < SIZES; s++) {
        unsigned count = sizes[s] <= 20 * KIB ? HELD : sizes[s] <= MIB ? 12 : 4;
        for (unsigned i = 0; i < count; i++)
            held[i] = i % 3 == 2 ? take_zeroed(sizes[s]) : take(sizes[s]);
        for (unsigned i = 0; i < count; i++)
            give(held[i * 7 % count], sizes[s]);
    }
}

static void use_alignments(void)
{
    for (size_t alignment = 64; alignment <= 8 * MIB; alignment *= 8) {
        void *one = take_aligned(alignment, 100), *other = take_aligned(alignment, 2 * MIB);
        give(one, 100);
        give(other, 2 * MIB);
    }
}

/* Growing in place, by moving pages, and what was moved to let go; a block in the way of each. */
static void use_growth(void)
{
    size_t bytes = 2 * MIB, small = 100;
    void *in_the_way[GROWTHS], *growing = take(bytes), *array = take(small);
    for (unsigned i = 0; i < GROWTHS; i++) {
        in_the_way[i] = i % 2 ? take(2 * MIB) : NULL;
        growing = resize(growing, &bytes, bytes + 3 * MIB);
        array = resize(array, &small, small * 7);
    }
    for (unsigned i = 0; i < 3; i++)
        growing = resize(growing, &bytes, bytes / 3);
    for (unsigned i = 0; i < GROWTHS; i++)
        give(in_the_way[i], 2 * MIB);
    give(growing, bytes);
    give(array, small);
}

static void *left_by_thread[HELD];

static void *work_in_thread(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < HELD; i++)
        left_by_thread[i] = take(sizes[i % 6]);
    for (unsigned i = 0; i < HELD; i += 2) {
        give(left_by_thread[i], sizes[i % 6]);
        left_by_thread[i] = NULL;
    }
    return NULL;
}

/* A thread is born, allocates, dies; its blocks are freed by another. */
static void use_thread(void)
{
    pthread_t thread;
    int code = __real_pthread_create(&thread, NULL, work_in_thread, NULL);
    CHECK(code == 0 || (code == EAGAIN && plan->kind == LIMIT && !plan->is_lifted));
    if (code != 0)
        return; /* no room for a stack */
    CHECK(pthread_join(thread, NULL) == 0);
    for (unsigned i = 1; i < HELD; i += 2)
        give(left_by_thread[i], sizes[i % 6]);
}

static void check_child(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0)
        fprintf(stderr, "a child ended with status %#x\n", status);
    CHECK(status == 0);
}

/* The child of a fork works in a control block of its own, and its parent's is none the wiser. */
static void use_child(void)
{
    uint64_t forks = lifecycle_is_started() ? telemetry_get(&telemetry->global.forks) : 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (lifecycle_is_started()) {
            CHECK(telemetry_get(&telemetry->global.forks) == forks + 1);
            plan->is_block_shared |= control_block.header->pid != (uint32_t)getpid();
        }
        for (unsigned s = 0; s < SIZES; s++)
            give(take(sizes[s]), sizes[s]);
        CHECK(!lifecycle_is_started() || heap_is_valid());
        _exit(0);
    }
    check_child(child);
    CHECK(!plan->is_block_shared || (plan->failures > 0 && plan->span != 1));
    if (lifecycle_is_started() && !plan->is_block_shared)
        CHECK(telemetry_get(&telemetry->global.forks) == forks);
}

/* Memory goes back to the system and comes again. */
static void use_purging(void)
{
    hak_trim();
    look_after_faults();
    if (!lifecycle_is_started())
        return;
    set_tunable(TUNABLE_ss_purge_delay_ms, 0);
    set_tunable(TUNABLE_ss_retain_chunks, 0);
    use_every_size();
    hak_trim();
    set_tunable(TUNABLE_ss_purge_delay_ms, 1000);
    set_tunable(TUNABLE_ss_retain_chunks, 2);
    look_after_faults();
}

/* The thread that purges in the background: one that cannot be made is asked for again later. */
static void use_purger(void)
{
    if (!lifecycle_is_started())
        return;
    set_tunable(TUNABLE_purge_background, 1);
    for (unsigned i = 0; i < 3; i++) {
        if (tls_cache->is_real)
            tls_cache->is_maintenance_due = 1;
        give(take(3 * MIB), 3 * MIB);
    }
    set_tunable(TUNABLE_purge_background, 0);
}

static void work(void)
{
    use_every_size();
    use_alignments();
    use_growth();
    use_thread();
    use_purging();
    use_child();
    use_purger();
    use_every_size();
    hak_trim();
    look_after_faults();
}

static void check_nothing_left(void)
{
    hak_trim();
    CHECK(lifecycle_is_started() && heap_is_valid());
    if (plan->is_block_shared)
        return;
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.big_live) == 0 && telemetry_get(&telemetry->global.big_live_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.l25_live_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.corruptions) == 0);
    CHECK(telemetry_get(&telemetry->global.busy_slabs) == 0);
}

static void run_once(void)
{
    work();
    plan->is_lifted = true;
    set_limits(false);
    work(); /* in which nothing is refused */
    check_nothing_left();
}

/* ---- the program ------------------------------------------------------------------------------------ */

static void run_in_child(uint64_t first)
{
    plan->first = first;
    plan->is_lifted = plan->is_block_shared = false;
    plan->calls = plan->failures = plan->refusals = 0;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(120);
        run_once();
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (status == 0)
        return;
    fprintf(stderr, "faults: the run ended with status %#x; again: faults %s %llu at %llu\n", status,
            kind_names[plan->kind], (unsigned long long)plan->span, (unsigned long long)first);
    exit(1);
}

int main(int argument_count, char **arguments)
{
    plan = __real_mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(plan != MAP_FAILED);
    plan->kind = KIND_COUNT;
    for (unsigned kind = 0; argument_count >= 3 && kind < KIND_COUNT; kind++)
        if (strcmp(arguments[1], kind_names[kind]) == 0)
            plan->kind = (enum kind)kind;
    if (plan->kind == KIND_COUNT) {
        fprintf(stderr, "usage: faults mmap|munmap|madvise|mremap|mprotect|pthread_create|file|any|reserve|limit SPAN [STEP | at FIRST]\n");
        return 2;
    }
    plan->span = strtoull(arguments[2], NULL, 10);
    if (argument_count > 4) {
        plan->first = strtoull(arguments[4], NULL, 10);
        run_once();
        return 0;
    }
    run_in_child(0);
    uint64_t calls = plan->calls, refusals = 0, moments = 0;
    uint64_t step = argument_count > 3 ? strtoull(arguments[3], NULL, 10) : 1;
    CHECK(calls > 0 && plan->refusals == 0 && step > 0);
    for (uint64_t first = 1; first <= calls; first += step) {
        run_in_child(first);
        /* What is given back hangs on the time a run takes: on a busy machine one makes a call more or fewer,
         * and this one may have been over before its moment. */
        CHECK(plan->failures > 0 || plan->calls < first);
        moments += plan->failures > 0;
        refusals += plan->refusals;
    }
    printf("faults: ok, %llu moments, %llu calls refused\n", (unsigned long long)moments, (unsigned long long)refusals);
    return 0;
}
