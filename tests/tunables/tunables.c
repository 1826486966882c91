/* tunables.c: runs the probe of one tunable (probe.h).
 * usage: tunables NAME | tunables --list */
#include "probe.h"

#include <unistd.h>

struct hak_reader reader;
struct actor probe_actor = {.thread_id = 1};
void *blocks[MOST_BLOCKS];
static char error[HAK_ERROR_TEXT_BYTES];

static const struct {
    const char *name;
    void (*probe)(void);
} probes[TUNABLE_COUNT] = {
#define HAK_TUNABLE(field, name, ...) {name, probe_##field},
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
};

void set(enum tunable tunable, double value)
{
    uint32_t index = tunable;
    uint64_t generation;
    if (hak_reader_set(&reader, &index, &value, 1, &generation, error) != HAK_OK)
        fputs(error, stderr);
    CHECK(hak_reader_requested(&reader, (double[CONTROL_VALUE_COUNT]){0}, CONTROL_VALUE_COUNT, &generation, error) == HAK_OK);
    for (unsigned n = 0; tls_cache->generation != generation || tls_cache->is_maintenance_due; n++) {
        CHECK(n < 100000);
        hak_free(hak_malloc(16));
    }
    double effective[CONTROL_VALUE_COUNT];
    uint64_t effective_generation;
    CHECK(hak_reader_effective(&reader, effective, CONTROL_VALUE_COUNT, &effective_generation, error) == HAK_OK);
    CHECK(effective_generation == generation && effective[tunable] == value);
    CHECK(telemetry_get(&tls_cache->row->adopted) == generation);
}

void check_is_fixed(enum tunable tunable, double value)
{
    uint32_t index = tunable;
    uint64_t generation;
    CHECK(hak_reader_set(&reader, &index, &value, 1, &generation, error) == HAK_ERROR_START_ONLY);
    CHECK(strstr(error, probes[tunable].name));
}

void pass_ms(unsigned ms)
{
    for (unsigned n = 0; n < ms * 1000; n++)
        hak_free(hak_malloc(16));
}

void burst(size_t bytes, unsigned count, unsigned rounds)
{
    for (; rounds > 0; rounds--) {
        for (unsigned i = 0; i < count; i++)
            blocks[i] = hak_malloc(bytes);
        for (unsigned i = 0; i < count; i++)
            hak_free(blocks[i]);
    }
}

static void *run_work(void *work)
{
    lifecycle_attach(); /* it does not wait for a few calls */
    (*(void (**)(void))work)();
    return NULL;
}

void in_new_thread(void (*work)(void))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_work, &work) == 0 && pthread_join(thread, NULL) == 0);
}

/* The allocator reads its environment as the process found it: what is fixed at start needs a new one. */
static void start_with_environment(char **words)
{
    if (getenv("HAKMEM_CLOCK_MODE"))
        return;
    setenv("HAKMEM_CLOCK_MODE", "operations", 1);
    setenv("HAKMEM_BIG_INITIAL_BUCKETS", "1024", 1);
    setenv("HAKMEM_L25_INITIAL_SHARDS", "16", 1);
    setenv("HAKMEM_REGISTRY_INITIAL_ENTRIES", "256", 1);
    execv("/proc/self/exe", words);
    CHECK(!"exec");
}

int main(int count, char **words)
{
    for (unsigned i = 0; count == 2 && i < TUNABLE_COUNT; i++) {
        if (strcmp(words[1], "--list") == 0)
            puts(probes[i].name);
        if (strcmp(words[1], probes[i].name) != 0)
            continue;
        start_with_environment(words);
        CHECK(hak_reader_open(&reader, hak_control_path(), error) == HAK_OK);
        hak_free(hak_malloc(16));
        probes[i].probe();
        CHECK(heap_is_valid());
        hak_reader_close(&reader);
        printf("%s: ok\n", probes[i].name);
    }
    return 0;
}
