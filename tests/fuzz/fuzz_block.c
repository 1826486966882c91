/* fuzz_block.c: the reader of control blocks, given bytes chosen by libFuzzer. They lie over a sound
 * block, are changed and cut short once more while the block is open; every call of the reader must end with a
 * valid answer or a clear error, and touch nothing else (AddressSanitizer). Built by `make fuzz`. */
#include "block_fixture.h"

#include <sys/file.h>
#include <unistd.h>

enum { TAIL_BYTES = 8, MOST_BYTES = 16384, FEW_EVENTS = 8 };

static struct hak_block block;
static struct hak_reader *reader;
static char path[256]; /* in TMPDIR: libFuzzer ends without a word, and who started it clears up */
static int descriptor = -1;

/* Room for the first few descriptors of a block must be enough to reach every field. */
int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    struct hak_block_spec spec = fixture_spec("test-fuzz");
    spec.data_bytes = 4096;
    spec.event_capacity = FEW_EVENTS;
    CHECK(hak_block_create(&block, &spec) == 0 && block.bytes <= 4 * MOST_BYTES);
    for (uint64_t i = 0; i < FEW_EVENTS + 3; i++)
        hak_block_append_event(&block, &(struct hak_event){.operation = i});
    reader = aligned_alloc(_Alignof(struct hak_reader), sizeof *reader);
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/fuzz_block-XXXXXX", folder ? folder : "/dev/shm");
    descriptor = mkstemp(path);
    CHECK(reader && descriptor >= 0);
    CHECK(flock(descriptor, LOCK_EX) == 0); /* as its publisher would: else it would be seen dead */
    hak_block_retire(&block); /* its mapping stays, and what is copied from it lives */
    atomic_store(&block.header->state, HAK_STATE_LIVE);
    return 0;
}

static void check_error(int64_t code, const char *error)
{
    CHECK(code >= 0 || (error[0] != 0 && memchr(error, 0, HAK_ERROR_TEXT_BYTES) && !strchr(error, '\n')));
}

#define IS_ENDED(field) (memchr(field, 0, sizeof(field)) != NULL)

static void read_descriptors(void)
{
    char error[HAK_ERROR_TEXT_BYTES] = "";
    union {
        struct hak_tunable tunable;
        struct hak_constraint constraint;
        struct hak_metric metric;
        struct hak_axis axis;
        struct hak_axis_item item;
        struct hak_event_kind kind;
        struct hak_event_cause cause;
    } record;
    for (uint32_t i = 0; hak_reader_tunable(reader, i, &record.tunable, error) == HAK_OK; i++)
        CHECK(IS_ENDED(record.tunable.name) && IS_ENDED(record.tunable.help) && IS_ENDED(record.tunable.choices) &&
              record.tunable.minimum <= record.tunable.maximum);
    for (uint32_t i = 0; hak_reader_constraint(reader, i, &record.constraint, error) == HAK_OK; i++)
        continue;
    for (uint32_t i = 0; hak_reader_metric(reader, i, &record.metric, error) == HAK_OK; i++)
        CHECK(IS_ENDED(record.metric.name) && IS_ENDED(record.metric.chart));
    for (uint32_t i = 0; hak_reader_axis(reader, i, &record.axis, error) == HAK_OK; i++)
        CHECK(record.axis.count <= record.axis.maximum);
    for (uint32_t i = 0; hak_reader_axis_item(reader, i, &record.item, error) == HAK_OK; i++)
        CHECK(IS_ENDED(record.item.label) && IS_ENDED(record.item.group));
    for (uint32_t i = 0; hak_reader_event_kind(reader, i, &record.kind, error) == HAK_OK; i++)
        CHECK(IS_ENDED(record.kind.name) && IS_ENDED(record.kind.help));
    for (uint32_t i = 0; hak_reader_event_cause(reader, i, &record.cause, error) == HAK_OK; i++)
        CHECK(IS_ENDED(record.cause.name));
    check_error(hak_reader_tunable(reader, UINT32_MAX, &record.tunable, error), error);
}

static void read_values(const uint8_t tail[TAIL_BYTES])
{
    enum { VALUES = 4096, WORDS = 4096, AXES = 64, EVENTS = 16 };
    static double values[VALUES];
    static uint64_t words[WORDS];
    static struct hak_event events[EVENTS];
    uint32_t counts[AXES];
    char error[HAK_ERROR_TEXT_BYTES] = "";
    uint64_t generation, needed = 0, time_ns, cursor = tail[0] % 16, lost = 0;
    check_error(hak_reader_alive(reader, error), error);
    check_error(hak_reader_requested(reader, values, VALUES, &generation, error), error);
    check_error(hak_reader_effective(reader, values, VALUES, &generation, error), error);
    check_error(hak_reader_setter(reader, generation, error), error);
    int64_t count = hak_reader_snapshot(reader, counts, AXES, words, WORDS, &needed, &time_ns, error);
    CHECK(count <= WORDS);
    check_error(count, error);
    int64_t taken = hak_reader_events(reader, &cursor, events, EVENTS, &lost, error);
    CHECK(taken <= EVENTS);
    check_error(taken, error);
    const uint32_t index[] = {tail[1] % 3u, tail[2] % 3u};
    const double value[] = {tail[3], tail[4] * 1e8};
    check_error(hak_reader_check(reader, index, value, 2, error), error);
    check_error(hak_reader_set(reader, index, value, 2, &generation, error), error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static uint8_t sound[4 * MOST_BYTES];
    char error[HAK_ERROR_TEXT_BYTES] = "";
    uint8_t tail[TAIL_BYTES] = {0};
    if (count >= TAIL_BYTES) { /* what is done, apart from what the block holds */
        count -= TAIL_BYTES;
        memcpy(tail, bytes + count, TAIL_BYTES);
    }
    size_t size = block.bytes, over = count < size ? count : size;
    memcpy(sound, block.header, size);
    memcpy(sound, bytes, over);
    CHECK(pwrite(descriptor, sound, size, 0) == (ssize_t)size);
    size_t cut = (tail[5] | (size_t)tail[6] << 8) % size;
    if (ftruncate(descriptor, (off_t)(tail[7] % 4 == 1 ? cut : size)) != 0)
        abort();
    int code = hak_reader_open(reader, path, error);
    if (code != HAK_OK) {
        check_error(code, error);
        return 0;
    }
    read_descriptors();
    if (tail[7] % 4 == 2) /* changed under an open reader: the later half moves over the header */
        CHECK(pwrite(descriptor, sound + cut, size - cut, 0) == (ssize_t)(size - cut));
    if (tail[7] % 4 == 3 && ftruncate(descriptor, (off_t)cut) != 0)
        abort();
    read_values(tail);
    if (tail[7] % 4 >= 2)
        read_descriptors();
    hak_reader_close(reader);
    return 0;
}
