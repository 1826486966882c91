/* block_damage.c: reads blocks with flipped bytes and cut-off ends: each reading is an error or a valid
 * one, never a wild access. Usage: block_damage [rounds] [seed] */
#include "block_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/file.h>
#include <unistd.h>

static uint64_t state;

static uint64_t random_word(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 24;
}

/* Mostly in the header and the descriptors, where numbers lead elsewhere. */
static void damage(char *bytes, size_t size, size_t data_offset)
{
    for (uint64_t i = 0, flips = 1 + random_word() % 8; i < flips; i++) {
        size_t limit = random_word() % 4 == 0 ? size : random_word() % 2 == 0 ? data_offset : 512;
        size_t place = random_word() % limit;
        switch (random_word() % 3) {
        case 0:
            bytes[place] ^= (char)(1u << (random_word() % 8));
            break;
        case 1:
            bytes[place] = (char)random_word();
            break;
        default:
            memset(bytes + place / 8 * 8, random_word() % 2 ? 0xff : 0x7f, 8);
        }
    }
}

static void read_all(struct hak_reader *reader)
{
    static double values[4096];
    static uint64_t words[65536];
    static struct hak_event events[300];
    uint32_t counts[64];
    uint64_t generation, needed, time_ns, cursor = random_word() % 3, lost = 0;
    char error[HAK_ERROR_TEXT_BYTES];
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
        CHECK(memchr(record.tunable.help, 0, sizeof record.tunable.help));
    for (uint32_t i = 0; hak_reader_constraint(reader, i, &record.constraint, error) == HAK_OK; i++)
        continue;
    for (uint32_t i = 0; hak_reader_metric(reader, i, &record.metric, error) == HAK_OK; i++)
        CHECK(memchr(record.metric.name, 0, sizeof record.metric.name));
    for (uint32_t i = 0; hak_reader_axis(reader, i, &record.axis, error) == HAK_OK; i++)
        continue;
    for (uint32_t i = 0; hak_reader_axis_item(reader, i, &record.item, error) == HAK_OK; i++)
        continue;
    for (uint32_t i = 0; hak_reader_event_kind(reader, i, &record.kind, error) == HAK_OK; i++)
        continue;
    for (uint32_t i = 0; hak_reader_event_cause(reader, i, &record.cause, error) == HAK_OK; i++)
        continue;
    hak_reader_requested(reader, values, 4096, &generation, error);
    hak_reader_effective(reader, values, 4096, &generation, error);
    hak_reader_snapshot(reader, counts, 64, words, 65536, &needed, &time_ns, error);
    hak_reader_events(reader, &cursor, events, 300, &lost, error);
    const uint32_t index[] = {(uint32_t)random_word() % 3, 1};
    const double value[] = {(double)(random_word() % 100), 100};
    hak_reader_check(reader, index, value, 2, error);
    hak_reader_set(reader, index, value, 2, &generation, error);
}

int main(int argument_count, char **arguments)
{
    long rounds = argument_count > 1 ? atol(arguments[1]) : 5000;
    state = argument_count > 2 ? (uint64_t)atoll(arguments[2]) : 1;
    struct hak_block block;
    struct hak_block_spec spec = fixture_spec("test-damage");
    CHECK(hak_block_create(&block, &spec) == 0);
    for (int i = 0; i < 2 * FIXTURE_EVENTS; i++)
        hak_block_append_event(&block, &(struct hak_event){.operation = (uint64_t)i});

    char path[] = "/dev/shm/block_damage-XXXXXX";
    int descriptor = mkstemp(path);
    size_t size = block.bytes, data_offset = block.header->section[HAK_SECTION_DATA].offset;
    char *bytes = malloc(size);
    struct hak_reader *reader = aligned_alloc(_Alignof(struct hak_reader), sizeof *reader);
    CHECK(descriptor >= 0 && bytes && reader);
    CHECK(flock(descriptor, LOCK_EX) == 0); /* as its publisher would: else it would be seen dead */
    long opened = 0;
    for (long i = 0; i < rounds; i++) {
        char error[HAK_ERROR_TEXT_BYTES] = "";
        memcpy(bytes, block.header, size);
        int is_cut = random_word() % 8 == 0, is_late = random_word() % 2 == 0;
        if (!is_cut)
            damage(bytes, size, data_offset);
        CHECK(pwrite(descriptor, bytes, size, 0) == (ssize_t)size);
        off_t length = is_cut ? (off_t)(random_word() % size) : (off_t)size;
        if (!is_late)
            CHECK(ftruncate(descriptor, length) == 0);
        int code = hak_reader_open(reader, path, error);
        if (is_late) /* cut short under an open reader */
            CHECK(ftruncate(descriptor, length) == 0);
        if (code == HAK_OK) {
            opened++;
            read_all(reader);
            hak_reader_close(reader);
        } else {
            CHECK(code < 0 && error[0] != 0 && memchr(error, 0, sizeof error));
        }
    }
    printf("%ld of %ld could be opened\n", opened, rounds);
    CHECK(opened > 0 || rounds == 0);
    unlink(path);
    free(bytes);
    free(reader);
    hak_block_retire(&block);
    return 0;
}
