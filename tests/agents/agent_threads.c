/* agent_threads.c: the agent in a process whose threads use their allocator, while others set it, ask it for actions
 * and read it, and in a child of fork. The allocator is made up; sanitizers look at both. */
#include "agent.h"
#include "check.h"
#include "hak_reader.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 2, USERS = 2, ROUNDS = 150, FIRST_DECAY_MS = 10000 };

/* ThreadSanitizer has no threads in the child of a process with threads. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_NO_CHILDREN
#endif
#endif

/* ---- the allocator: one lock, as jemalloc's ctl has ------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t decay_ms = FIRST_DECAY_MS; /* these under the lock */
static uint64_t allocated, purges;

AGENT_EXPORT int je_mallctl(const char *name, void *old, size_t *bytes, void *new, size_t new_bytes)
{
    static const char *version = "5.3.0";
    int error = 0;
    free(malloc(100)); /* as the helper is a thread like others, it may */
    CHECK(pthread_mutex_lock(&lock) == 0);
    if (strcmp(name, "version") == 0)
        memcpy(old, &version, sizeof version);
    else if (strcmp(name, "config.stats") == 0)
        memcpy(old, &(bool){true}, sizeof(bool));
    else if (strcmp(name, "arenas.dirty_decay_ms") == 0 && new)
        memcpy(&decay_ms, new, new_bytes);
    else if (strcmp(name, "arenas.dirty_decay_ms") == 0)
        memcpy(old, &decay_ms, *bytes);
    else if (strcmp(name, "stats.allocated") == 0)
        memcpy(old, &allocated, *bytes);
    else if (strcmp(name, "arena.4096.purge") == 0)
        purges++;
    else
        error = ENOENT;
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return error;
}

static void *use(void *unused)
{
    for (int i = 0; i < 20 * ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&lock) == 0);
        allocated++;
        CHECK(pthread_mutex_unlock(&lock) == 0);
        if (i % ROUNDS == 0 && agent_pause()) /* as around setuid */
            helpers_resume();
    }
    return unused;
}

/* ---- who looks ------------------------------------------------------------------------------- */

static void open_block(struct hak_reader *reader, pid_t pid)
{
    char pattern[128], error[HAK_ERROR_TEXT_BYTES];
    glob_t found;
    snprintf(pattern, sizeof pattern, "/dev/shm/hakmem-%u/%d.*.jemalloc-je", (unsigned)geteuid(), (int)pid);
    for (int tries = 0; glob(pattern, 0, NULL, &found) != 0; tries++) {
        CHECK(tries < 30000);
        usleep(1000);
    }
    CHECK(hak_reader_open(reader, found.gl_pathv[found.gl_pathc - 1], error) == HAK_OK);
    globfree(&found);
}

static uint32_t find_tunable(struct hak_reader *reader, const char *name)
{
    struct hak_tunable tunable;
    char error[HAK_ERROR_TEXT_BYTES];
    for (uint32_t i = 0;; i++) {
        CHECK(hak_reader_tunable(reader, i, &tunable, error) == HAK_OK);
        if (strcmp(tunable.name, name) == 0)
            return i;
    }
}

static void set(struct hak_reader *reader, uint32_t index, double value)
{
    uint64_t generation;
    char error[HAK_ERROR_TEXT_BYTES];
    CHECK(hak_reader_set(reader, &index, &value, 1, &generation, error) == HAK_OK);
}

/* An answer comes within a moment, or later on a busy machine. */
static void wait_for(struct hak_reader *reader, uint32_t index, double wanted)
{
    double values[AGENT_MOST_SETTINGS];
    uint64_t generation;
    char error[HAK_ERROR_TEXT_BYTES];
    for (int tries = 0;; tries++) {
        CHECK(hak_reader_effective(reader, values, AGENT_MOST_SETTINGS, &generation, error) == HAK_OK);
        if (values[index] == wanted)
            return;
        CHECK(tries < 1000);
    }
}

static void *watch(void *unused)
{
    struct hak_reader reader;
    char error[HAK_ERROR_TEXT_BYTES];
    uint32_t axes[8];
    uint64_t words[256], needed, time_ns;
    open_block(&reader, getpid());
    uint32_t decay = find_tunable(&reader, "arenas.dirty_decay_ms"), purge = find_tunable(&reader, "purge");
    for (int i = 0; i < ROUNDS; i++) {
        set(&reader, decay, i);
        set(&reader, purge, 1);
        CHECK(hak_reader_snapshot(&reader, axes, 8, words, 256, &needed, &time_ns, error) > 0);
    }
    hak_reader_close(&reader);
    return unused;
}

static void run_together(void)
{
    pthread_t threads[READERS + USERS];
    for (int i = 0; i < READERS + USERS; i++)
        CHECK(pthread_create(&threads[i], NULL, i < READERS ? watch : use, NULL) == 0);
    for (int i = 0; i < READERS + USERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void set_own(double value)
{
    struct hak_reader reader;
    open_block(&reader, getpid());
    uint32_t decay = find_tunable(&reader, "arenas.dirty_decay_ms");
    set(&reader, decay, value);
    wait_for(&reader, decay, value);
    hak_reader_close(&reader);
}

int main(void)
{
    CHECK(je_mallctl("none", NULL, NULL, NULL, 0) == ENOENT);
    const char *text = hak_agent_start();
    /* Sanitizers bring a malloc of their own. */
    CHECK((*text == 0 || strncmp(text, "malloc itself is not tuned", 26) == 0) && hak_agent_start() == text);
    run_together();

    struct hak_reader reader;
    open_block(&reader, getpid());
    wait_for(&reader, find_tunable(&reader, "purge"), READERS * ROUNDS);
    hak_reader_close(&reader);
    set_own(7);
    /* Purges that were asked for while one was done are one. */
    CHECK(pthread_mutex_lock(&lock) == 0);
    CHECK(purges > 0 && purges <= READERS * ROUNDS && decay_ms == 7 && allocated > 0);
    CHECK(pthread_mutex_unlock(&lock) == 0);

#ifndef HAS_NO_CHILDREN
    int status;
    pid_t child = fork();
    if (child == 0) {
        agent_after_fork();
        set_own(8);
        _exit(decay_ms == 8 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    set_own(9);
#endif
    puts("agent_threads: ok");
    return 0;
}
