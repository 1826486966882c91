/* own_limits.c: a program that limits itself after its first malloc, as judges, thumbnailers and real-time
 * programs do. It says on one line what it found, numbers in MiB.
 *
 * usage: own_limits space|data MIB BYTES   sets the limit, then what needs address space must go on: a thread, a
 *                                          mapping, a library; then takes blocks until malloc says NULL
 *        own_limits locked [onfault]       locks all memory, now and later; calloc stays zero; says what is resident at
 *                                          first, what is locked at first, what is resident when most is freed
 *        own_limits machine                asks for more than a machine can have, in every way
 *        own_limits start                  what a start takes */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

/* A line of /proc/self/status, in KiB. */
static long status_kib(const char *name)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name) + 1, NULL, 10);
    if (status)
        fclose(status);
    return kib;
}

static void *run(void *argument)
{
    free(malloc(100));
    return argument;
}

static int limit_itself(int resource, size_t limit_mib, size_t bytes)
{
    struct rlimit limit = {limit_mib * MIB, limit_mib * MIB};
    if (setrlimit(resource, &limit) != 0)
        return fail("setrlimit");
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    if ((errno = pthread_create(&thread, &small, run, NULL)) != 0)
        return fail("pthread_create");
    pthread_join(thread, NULL);
    if (mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return fail("mmap");
    if (!dlopen("libresolv.so.2", RTLD_NOW))
        return fail("dlopen");
    size_t total = 0;
    for (void *block; total < 2 * limit_mib * MIB && (block = malloc(bytes)) != NULL; total += bytes)
        memset(block, 1, 1);
    printf("%zu %s\n", total / MIB, errno == ENOMEM ? "ENOMEM" : strerror(errno));
    return 0;
}

static int lock_all(int flags)
{
    static const size_t sizes[] = {24, 700, 5000, 30000, 40000, 200000, 900000, 1500000, 5000000};
    enum { COUNT = 20 };
    if (mlockall(flags) != 0)
        return fail("mlockall");
    long start_kib = status_kib("VmRSS"), locked_kib = status_kib("VmLck");
    for (int round = 0; round < 3; round++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            char *blocks[COUNT];
            for (int i = 0; i < COUNT; i++) {
                if (!(blocks[i] = malloc(sizes[s])))
                    return fail("malloc");
                memset(blocks[i], 0xAA, sizes[s]);
            }
            for (int i = 0; i < COUNT; i++)
                free(blocks[i]);
            for (int i = 0; i < COUNT; i++) {
                if (!(blocks[i] = calloc(1, sizes[s])))
                    return fail("calloc");
                for (size_t k = 0; k < sizes[s]; k++)
                    if (blocks[i][k])
                        return fail("calloc: not zero");
            }
            for (int i = 0; i < COUNT; i++)
                free(blocks[i]);
        }
    }
    /* One block in a hundred lives on: the pages of the others go although they are locked. */
    enum { MANY = 50000 };
    static char *many[MANY];
    for (int i = 0; i < MANY; i++)
        if (!(many[i] = malloc(1000)))
            return fail("malloc");
    for (int i = 0; i < MANY; i++)
        if (i % 100)
            free(many[i]);
    malloc_trim(0);
    printf("%ld %ld %ld\n", start_kib / 1024, locked_kib / 1024, status_kib("VmRSS") / 1024);
    return 0;
}

static int ask_for_too_much(void)
{
    for (unsigned shift = 40; shift < 63; shift += 2) {
        size_t bytes = (size_t)1 << shift;
        void *volatile small = malloc(3 * MIB);
        void *volatile got = NULL;
        errno = 0;
        if ((got = malloc(bytes)) || errno != ENOMEM)
            return fail("malloc");
        errno = 0;
        if ((got = calloc(bytes / 8, 8)) || errno != ENOMEM)
            return fail("calloc");
        errno = 0;
        if ((got = realloc(small, bytes)) || errno != ENOMEM)
            return fail("realloc");
        if (posix_memalign((void **)&got, 4096, bytes) != ENOMEM)
            return fail("posix_memalign");
        free(small);
    }
    puts("ENOMEM");
    return 0;
}

int main(int count, char **words)
{
    free(malloc(10));
    const char *what = count > 1 ? words[1] : "";
    if (count == 4 && (strcmp(what, "space") == 0 || strcmp(what, "data") == 0))
        return limit_itself(*what == 's' ? RLIMIT_AS : RLIMIT_DATA, strtoul(words[2], NULL, 10), strtoul(words[3], NULL, 10));
    if (strcmp(what, "locked") == 0)
        return lock_all(MCL_CURRENT | MCL_FUTURE | (count > 2 ? MCL_ONFAULT : 0));
    if (strcmp(what, "machine") == 0)
        return ask_for_too_much();
    printf("%ld %ld\n", status_kib("VmSize") / 1024, status_kib("VmData") / 1024);
    return 0;
}
