/* mallctl.c: a stand-in for a jemalloc that is linked into a program, or is a library. It has one setting.
 *
 *   MALLCTL, VERSION   the name of its function, and what it says of itself
 *   SLOW_MS            it has a statistic, which takes so much processor time and counts how often it was read
 *   HAS_MALLOC         malloc is its own
 *   MAIN               a program that prints a line and ends with its input; its status is the setting, 0 if nobody set it */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DECAY_MS = 10000 };
static long decay_ms = DECAY_MS;

#ifdef SLOW_MS
static long thread_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000l + now.tv_nsec;
}
#endif

#ifdef HAS_MALLOC
extern void *__libc_malloc(size_t bytes);
void *malloc(size_t bytes)
{
    return __libc_malloc(bytes);
}
__attribute__((used))
#else
__attribute__((used)) static
#endif
int MALLCTL(const char *name, void *old, size_t *bytes, void *new, size_t new_bytes)
{
    static const char *version = VERSION;
    if (strcmp(name, "version") == 0)
        memcpy(old, &version, sizeof version);
    else if (strcmp(name, "arenas.dirty_decay_ms") == 0 && new)
        memcpy(&decay_ms, new, new_bytes);
    else if (strcmp(name, "arenas.dirty_decay_ms") == 0)
        memcpy(old, &decay_ms, *bytes);
#ifdef SLOW_MS
    else if (strcmp(name, "config.stats") == 0)
        *(bool *)old = true;
    else if (strcmp(name, "stats.allocated") == 0) {
        static size_t reads;
        for (long end = thread_clock() + SLOW_MS * 1000000l; thread_clock() < end;)
            ;
        reads++;
        memcpy(old, &reads, sizeof reads);
    }
#endif
    else
        return ENOENT;
    return 0;
}

#ifdef MAIN
int main(void)
{
    char byte;
    if (write(STDOUT_FILENO, "ready\n", 6) != 6 || read(STDIN_FILENO, &byte, 1) != 0)
        return 255;
    return decay_ms == DECAY_MS ? 0 : (int)decay_ms;
}
#endif
