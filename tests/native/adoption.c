/* adoption.c: a set takes effect within 4096 allocations of a thread, however they are spread over size
 * classes, and reaches every component, also under a lease; a setting out of range never arrives. */
#include "component_fixture.h"
#include "fast_path.h"
#include "hak_reader.h"
#include "hakmem.h"
#include "size_class.h"
#include "tls_cache.h"

static struct hak_reader reader;
static char error[HAK_ERROR_TEXT_BYTES];

static uint64_t set_one(const char *name, double value)
{
    struct hak_tunable tunable;
    uint64_t generation = 0;
    for (uint32_t i = 0; hak_reader_tunable(&reader, i, &tunable, error) == HAK_OK; i++)
        if (strcmp(tunable.name, name) == 0)
            CHECK(hak_reader_set(&reader, &i, &value, 1, &generation, error) == HAK_OK);
    CHECK(generation != 0);
    return generation;
}

/* Allocates, and frees at once, until the thread acts on `generation`; returns how often. */
static unsigned allocations_until(uint64_t generation, const size_t *sizes, unsigned size_count)
{
    for (unsigned n = 0;; n++) {
        if (tls_cache->generation == generation)
            return n;
        CHECK(n < 1000000);
        hak_free(hak_malloc(sizes[n % size_count]));
    }
}

/* Under a lease, settings wait for the purging thread, which only malloc starts. At check.level 3, a thread that allocates
 * and frees in turn looks at the clock at a free, always. */
static void adopt_under_a_lease(void)
{
    static const size_t one_size[] = {64};
    const uint32_t index = TUNABLE_tls_max_slots;
    const double back = 128, held = 256;
    allocations_until(set_one("check.level", 3), one_size, 1);
    CHECK(hak_reader_take_lease(&reader, &index, &back, &held, 1, 1, 600000, error) == HAK_OK);
    uint64_t generation = set_one("tls.max_slots", held);
    for (unsigned n = 0; tls_cache->generation != generation; n++) {
        CHECK(n < 200000000);
        hak_free(hak_malloc(64));
    }
    CHECK(SETTING(tls_max_slots) == 256);
    CHECK(hak_reader_end_lease(&reader, 1, error) == HAK_OK);
    allocations_until(set_one("check.level", 1), one_size, 1);
}

int main(void)
{
    CHECK(hak_reader_open(&reader, hak_control_path(), error) == HAK_OK);
    hak_free(hak_malloc(1));

    size_t every_class[SIZE_CLASS_COUNT]; /* in turn: the slowest way to any one countdown */
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        every_class[c] = size_classes[c].bytes;
    static const size_t one_size[] = {64}, no_class[] = {100000, 3000000};

    unsigned most = 0;
    uint32_t random = 1;
    for (unsigned round = 0; round < 200; round++) {
        /* From any state of the countdowns. */
        for (unsigned n = next_random(&random) % 5000; n > 0; n--)
            hak_free(hak_malloc(next_random(&random) % 40000));
        uint64_t generation = set_one("tls.grow_percent", 50 + round % 50);
        unsigned taken = round % 3 == 0   ? allocations_until(generation, every_class, SIZE_CLASS_COUNT)
                         : round % 3 == 1 ? allocations_until(generation, one_size, 1)
                                          : allocations_until(generation, no_class, 2);
        most = taken > most ? taken : most;
        CHECK(SETTING(tls_grow_percent) == 50 + round % 50);
        CHECK(telemetry_get(&tls_cache->row->adopted) == generation);
        double effective[CONTROL_VALUE_COUNT];
        uint64_t effective_generation;
        CHECK(hak_reader_effective(&reader, effective, CONTROL_VALUE_COUNT, &effective_generation, error) == HAK_OK);
        CHECK(effective_generation == generation && effective[TUNABLE_tls_grow_percent] == 50 + round % 50);
    }
    CHECK(most <= 4096);

    /* Lowering a maximum lowers what is there. */
    void *blocks[3000];
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 3000; i++)
            blocks[i] = hak_malloc(64);
        for (unsigned i = 0; i < 3000; i++)
            hak_free(blocks[i]);
    }
    const struct bin *bin = &tls_cache->bins[SIZE_CLASS_64];
    CHECK(bin->capacity == 2048);
    allocations_until(set_one("tls.max_slots", 128), one_size, 1);
    CHECK(bin->capacity == 128 && bin->top - bin->base <= 128);

    /* An action is done once, however many generations follow; a drain leaves the bins empty. */
    CHECK(bin->top - bin->base > 64);
    allocations_until(set_one("drain", 1), no_class, 2);
    CHECK(bin->top == bin->base);
    uint64_t first_event = event_cursor() - 1, asked;
    allocations_until(set_one("tls.grow_percent", 70), one_size, 1);
    CHECK(control_asked(ACTION_drain) == 1 && !control_begin_action(ACTION_drain, &asked) && asked == 1);
    const struct hak_event *event = &control_block.events[first_event & control_block.event_mask];
    CHECK(event->kind == EVENT_ACTION && event->item == ACTION_drain && event->new_value > 0);

    /* What is out of range is refused as a whole, and nothing arrives. */
    uint64_t before = control_generation(), generation;
    uint32_t index = TUNABLE_tls_grow_percent;
    double value = 120;
    CHECK(hak_reader_set(&reader, &index, &value, 1, &generation, error) == HAK_ERROR_RANGE);
    CHECK(strstr(error, "tls.grow_percent") && strstr(error, "120") && strstr(error, "50 to 99"));
    CHECK(control_generation() == before);

    adopt_under_a_lease();
    CHECK(heap_is_valid());
    hak_reader_close(&reader);
    printf("adoption: ok, within %u allocations\n", most);
    return 0;
}
