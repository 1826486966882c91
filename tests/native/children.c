/* children.c: children made without the handlers of fork, the purging thread and its children, forks while pages
 * are given back, and names of call sites. */
#include "call_site.h"
#include "chunk.h"
#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"
#include "purger.h"
#include "registry.h"
#include "tls_cache.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void wait_for_child(pid_t child)
{
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Until `is_so`, for half a minute at most. */
static bool poll_until(bool (*is_so)(void))
{
    for (int i = 0; i < 3000 && !is_so(); i++) {
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    return is_so();
}

static atomic_bool is_over;
static atomic_uint trims;

static bool has_trimmed(void)
{
    return atomic_load(&trims) > 0;
}

static void *churn(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        void *blocks[500];
        for (int i = 0; i < 500; i++)
            blocks[i] = hak_malloc(2000);
        for (int i = 0; i < 500; i++)
            hak_free(blocks[i]);
    }
    return NULL;
}

static void use_everything(void)
{
    void *blocks[2000];
    for (size_t i = 0; i < 2000; i++)
        memset(blocks[i] = hak_malloc(i * 16), 1, i * 16);
    for (size_t i = 0; i < 2000; i++)
        hak_free(blocks[i]);
    hak_free(memset(hak_malloc(3 * MIB), 1, 3 * MIB));
}

/* clone runs no handler: the child finds its parent's locks as they were, and its parent's block. */
static void test_child_of_clone(void)
{
    void *of_parent = hak_malloc(1000);
    char path[160];
    snprintf(path, sizeof path, "%s", hak_control_path());
    uint64_t forks = telemetry_get(&telemetry->global.forks);
    for (int i = 0; i < 20; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            alarm(60);
            hak_free(of_parent);
            use_everything();
            CHECK(telemetry_get(&telemetry->global.forks) == forks + 1);
            CHECK(strcmp(hak_control_path(), path) != 0 && heap_is_valid());
            syscall(SYS_exit_group, 0);
        }
        wait_for_child(child);
    }
    CHECK(telemetry_get(&telemetry->global.forks) == forks && strcmp(hak_control_path(), path) == 0);
    hak_free(of_parent);
}

static unsigned thread_count(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count - 2;
}

static bool is_running(void)
{
    return atomic_load(&purger_state) == PURGER_RUNNING;
}

static bool is_off(void)
{
    return atomic_load(&purger_state) != PURGER_RUNNING && thread_count() == 1;
}

static bool is_all_given_back(void)
{
    return telemetry_get(&telemetry->global.committed_bytes) <= 4 * MIB;
}

static volatile sig_atomic_t signals_here;
static pthread_t main_thread;

static void on_signal(int number)
{
    (void)number;
    signals_here += pthread_equal(pthread_self(), main_thread) != 0;
}

/* Nothing is allocated or freed while memory goes back. */
static void test_purging_thread(void)
{
    set_tunable(TUNABLE_purge_background, 1);
    set_tunable(TUNABLE_ss_purge_delay_ms, 200);
    set_tunable(TUNABLE_ss_retain_chunks, 0);
    tls_cache->is_maintenance_due = 1; /* as after a look at the clock */
    hak_free(hak_malloc(3 * MIB));
    CHECK(poll_until(is_running) && thread_count() == 2);

    enum { COUNT = 4000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        memset(blocks[i] = hak_malloc(20000), 1, 20000);
    CHECK(telemetry_get(&telemetry->global.committed_bytes) > 64 * MIB);
    for (int i = 0; i < COUNT; i++)
        hak_free(blocks[i]);
    hak_free(memset(hak_malloc(20 * MIB), 1, 20 * MIB));
    hak_free(memset(hak_malloc(500000), 1, 500000));
    CHECK(poll_until(is_all_given_back));

    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 100; i++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(signals_here > 0 && signals_here <= 100); /* pending ones may merge; none went to the other thread */

    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        CHECK(poll_until(is_running) && thread_count() == 2);
        _exit(0);
    }
    wait_for_child(child);

    set_tunable(TUNABLE_purge_background, 0);
    CHECK(poll_until(is_off));
    set_tunable(TUNABLE_ss_purge_delay_ms, 1000);
}

enum { SURVIVORS = 200, AMONG = 40 };
static void *survivors[SURVIVORS];

/* Survivors keep slabs in use whose other pages go back again and again. */
static void *purge_pages(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        static void *blocks[SURVIVORS * AMONG];
        for (int i = 0; i < SURVIVORS * AMONG; i++)
            memset(blocks[i] = hak_malloc(1000), 1, 1000);
        for (int i = 0; i < SURVIVORS * AMONG; i++) {
            if (i % AMONG == 0 && !survivors[i / AMONG])
                survivors[i / AMONG] = blocks[i];
            else
                hak_free(blocks[i]);
        }
        hak_trim();
        atomic_fetch_add(&trims, 1);
    }
    return NULL;
}

/* What is empty went back, also what was being purged at the fork. But the one slab that the other thread was taking
 * or giving back at that moment, between two locks, is nobody's in the child. */
static void check_nothing_is_lost(void)
{
    struct chunk *chunk;
    unsigned lost = 0;
    for (uint32_t i = 0; (chunk = registry_chunk_at(i)) != NULL; i++)
        for (unsigned k = 0; chunk_kind(chunk) == CHUNK_SLABS && k < SLABS_PER_CHUNK; k++)
            lost += chunk->slabs[k].state == SLAB_CLASS && chunk->slabs[k].used == 0;
    CHECK(lost <= 1);
}

static void test_fork_while_pages_go(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, purge_pages, NULL) == 0);
    CHECK(poll_until(has_trimmed));
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            use_everything();
            for (int k = 0; k < SURVIVORS; k++)
                hak_free(survivors[k]);
            hak_trim();
            check_nothing_is_lost();
            CHECK(heap_is_valid());
            _exit(0);
        }
        wait_for_child(child);
    }
    atomic_store(&is_over, true);
    CHECK(pthread_join(thread, NULL) == 0 && heap_is_valid());
    atomic_store(&is_over, false);
    for (int k = 0; k < SURVIVORS; k++)
        hak_free(survivors[k]);
    hak_trim();
    check_nothing_is_lost();
}

static void test_call_sites(void)
{
    extern char __executable_start; /* the linker's name for the base of this program */
    void *here = (void *)&test_call_sites;
    CHECK(call_site_id(here) == (uint64_t)((char *)here - &__executable_start));
    CHECK(call_site_id((void *)&memcpy) < 64 * MIB); /* another module's base */
    void *nowhere = (void *)0x123456;
    CHECK(call_site_id(nowhere) == 0x123456);
}

int main(void)
{
    CHECK(lifecycle_start());
    hak_free(hak_malloc(1));
    test_call_sites();
    test_child_of_clone();
    test_purging_thread();
    test_fork_while_pages_go();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, churn, NULL) == 0);
    for (int i = 0; i < 50; i++) { /* fork itself, while another allocates and purges */
        set_tunable(TUNABLE_ss_purge_delay_ms, i % 2 ? 0 : 1000);
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            use_everything();
            CHECK(heap_is_valid());
            _exit(0);
        }
        wait_for_child(child);
    }
    atomic_store(&is_over, true);
    CHECK(pthread_join(thread, NULL) == 0 && heap_is_valid());
    puts("children: ok");
    return 0;
}
