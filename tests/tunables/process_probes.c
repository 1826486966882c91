/* process_probes.c: what concerns the process: purge.background, clock.mode, check.*, log.*. */
#include "probe.h"

#include "clock.h"
#include "integrity.h"
#include "purger.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool becomes(uint32_t state)
{
    for (int i = 0; i < 3000 && atomic_load(&purger_state) != state; i++) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    return atomic_load(&purger_state) == state;
}

static bool has_threads(uint64_t count)
{
    for (int i = 0; i < 3000 && (uint64_t)GLOBAL(threads) != count; i++) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    return (uint64_t)GLOBAL(threads) == count;
}

PROBE(purge_background)
{
    CHECK(atomic_load(&purger_state) == PURGER_OFF && GLOBAL(threads) == 1);
    set(TUNABLE_clock_mode, CLOCK_TIME);
    set(TUNABLE_ss_purge_delay_ms, 100);
    set(TUNABLE_purge_background, 1);
    for (unsigned n = 0; n < 1000000 && atomic_load(&purger_state) == PURGER_OFF; n++)
        pass_ms(1); /* started by an upkeep */
    CHECK(becomes(PURGER_RUNNING) && has_threads(2)); /* it counts once it has a cache */
    hak_free(memset(hak_malloc(3 * MIB), 1, 3 * MIB));
    for (int i = 0; i < 3000 && GLOBAL(big_entries); i++) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL); /* nothing is allocated, and it goes */
    }
    CHECK(GLOBAL(big_entries) == 0);
    set(TUNABLE_purge_background, 0);
    CHECK(becomes(PURGER_ENDED));
}

/* What it does: tests/contracts/test_deepbind.py. */
PROBE(os_deepbind)
{
    check_is_fixed(TUNABLE_os_deepbind, 1);
}

PROBE(clock_mode)
{
    struct actor actor = {.operations = 5000 * 1000};
    CHECK(clock_now_ms(&actor) == 5000);
    set(TUNABLE_clock_mode, CLOCK_TIME);
    uint32_t now_ms = clock_now_ms(&actor);
    CHECK((int32_t)((uint32_t)os_now_coarse_ms() - now_ms) < 60000 && now_ms != 5000);
}

static uint64_t failures_of(void (*misuse)(void))
{
    uint64_t before = GLOBAL(corruptions), cursor = event_cursor();
    misuse();
    CHECK(GLOBAL(corruptions) - before == count_events(cursor, EVENT_CORRUPTION, NULL));
    return GLOBAL(corruptions) - before;
}

static void free_a_stack_address(void)
{
    long on_stack[8];
    hak_free(&on_stack[2]);
}

static void free_twice(void)
{
    void *block = hak_malloc(100);
    hak_free(block);
    hak_free(block);
}

static void free_twice_and_flush(void)
{
    free_twice();
    hak_trim();
}

PROBE(check_level)
{
    set(TUNABLE_check_action, CHECK_REFUSE);
    CHECK(failures_of(free_a_stack_address) == 1);
    set(TUNABLE_check_level, 0);
    CHECK(failures_of(free_a_stack_address) == 0);
    set(TUNABLE_check_level, 2);
    CHECK(failures_of(free_a_stack_address) == 1 && failures_of(free_twice_and_flush) == 1);
    set(TUNABLE_check_level, 3);
    CHECK(failures_of(free_twice) == 1);
    set(TUNABLE_check_level, 1); /* and what is cached is served as if nothing had been noted */
    burst(100, 1000, 10);
    set(TUNABLE_check_level, 3);
    burst(100, 1000, 10);
    CHECK(GLOBAL(corruptions) == 4);
}

static int status_of_a_misuse(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        free_a_stack_address();
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

PROBE(check_action)
{
    CHECK(WTERMSIG(status_of_a_misuse()) == SIGABRT);
    set(TUNABLE_check_action, CHECK_REFUSE);
    CHECK(WEXITSTATUS(status_of_a_misuse()) == 7 && failures_of(free_a_stack_address) == 1);
}

/* ---- logs ---------------------------------------------------------------------------------------- */

static int log_file;

static void catch_standard_error(void)
{
    log_file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(log_file >= 0 && dup2(log_file, STDERR_FILENO) >= 0);
}

static bool is_logged(const char *text)
{
    static char content[1 << 20];
    ssize_t length = pread(log_file, content, sizeof content - 1, 0);
    CHECK(length >= 0);
    content[length] = 0;
    return strstr(content, text) != NULL;
}

PROBE(log_capacity)
{
    catch_standard_error();
    burst(64, 640, 20);
    pass_ms(200);
    CHECK(!is_logged("["));
    set(TUNABLE_log_capacity, 1);
    burst(256, 640, 60);
    pass_ms(7000);
    CHECK(is_logged("[ADAPTIVE] Adaptive sizing initialized (initial_cap=64, min=16, max=2048)\n"));
    CHECK(is_logged("[TLS_CACHE] Grow class 5: 64 → 128 slots (grow_count=1)\n"));
    CHECK(is_logged("[TLS_CACHE] Shrink class "));
    CHECK(!is_logged("ACQUIRE"));
}

PROBE(log_acquire)
{
    catch_standard_error();
    burst(1000, 3000, 1);
    CHECK(!is_logged("["));
    set(TUNABLE_log_acquire, 1);
    burst(500, 10000, 1);
    hak_trim();
    burst(500, 10000, 1);
    CHECK(is_logged("[SP_ACQUIRE_STAGE3] class=6 new SuperSlab (ss=0x"));
    CHECK(is_logged("[SP_ACQUIRE_STAGE2_HINT] class=6 claimed UNUSED slot (ss=0x"));
    CHECK(!is_logged("TLS_CACHE"));
}
