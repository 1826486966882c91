/* faults.c: a fixed run of allocations in which system calls fail: once, or from some moment on for good.
 * For every moment there is: each call of the allocator succeeds or returns NULL with ENOMEM, free keeps
 * errno, every structure stays whole, and once the system gives again everything is to be had again.
 *
 * usage: faults KIND SPAN [STEP]     each STEPth moment, a process each; SPAN: how many calls fail, 0: all that follow
 *        faults KIND SPAN at FIRST   one moment, in this process
 *   KIND: mmap munmap madvise mremap pthread_create any
 *         file:    what makes, sizes, names and opens the file of a control block
 *         occupied: what is to be mapped at a place, as if another's mapping were there
 *         outside: any, and there is no range: nothing can be mapped at a place
 *         limit:   at that moment the process gets limits of what it has: nothing may grow (SPAN 0) */
#include "check.h"
#include "hakmem.h"
#include "heap.h"
#include "lifecycle.h"
#include "settings.h"
#include "telemetry.h"
#include "tls_cache.h"

#include "component_fixture.h"
#include "failing_calls.h"

#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)

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
            hak_control_path(); /* the child's first slow path */
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
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(plan != MAP_FAILED);
    plan->kind = KIND_COUNT;
    for (unsigned kind = 0; argument_count >= 3 && kind < KIND_COUNT; kind++)
        if (strcmp(arguments[1], kind_names[kind]) == 0)
            plan->kind = (enum kind)kind;
    if (plan->kind == KIND_COUNT) {
        fprintf(stderr, "usage: faults mmap|munmap|madvise|mremap|pthread_create|file|occupied|any|outside|limit SPAN [STEP | at FIRST]\n");
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
