/* fuzz_api.c: any sequence of allocation calls and settings, against a model that knows what each block
 * must hold. libFuzzer chooses the bytes; each operation takes a few of them. At the end of every sequence all is
 * given back, every structure is looked at, and nothing may be left. Built by `make fuzz`. */
#include "check.h"
#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

enum { SLOTS = 48, EDGE_BYTES = 48, ERRNO_BEFORE = 77, MOST_OPERATIONS = 400, MOST_LIVE_MIB = 256 };

struct slot {
    unsigned char *block;
    size_t bytes, alignment;
    unsigned char fill;
};
static struct slot slots[SLOTS];
static size_t live_bytes;
static bool is_bounded; /* ss.max_chunks may refuse what there would be memory for */

static const uint8_t *input, *input_end;

static unsigned next_byte(void)
{
    return input < input_end ? *input++ : 0;
}

static unsigned next_word(void)
{
    unsigned low = next_byte();
    return low | next_byte() << 8;
}

/* ---- the model -------------------------------------------------------------------------------------- */

static size_t next_bytes(void)
{
    unsigned family = next_byte(), word = next_word();
    switch (family % 8) {
    case 0:
    case 1:
        return word % 64;
    case 2:
        return word % 1100;
    case 3:
        return word % (40 * KIB);
    case 4:
        return (size_t)word * 20; /* to 1.25 MiB */
    case 5:
        return (size_t)word * 64; /* to 4 MiB */
    case 6:
        return (MIB >> word % 10) + (word >> 8) % 5 - 2; /* about the bounds */
    default:
        return word & 1 ? SIZE_MAX - word : PTRDIFF_MAX - 100 + (word >> 1) % 200; /* never to be had */
    }
}

static size_t next_alignment(void)
{
    return (size_t)1 << next_byte() % 24; /* to 8 MiB */
}

static bool is_absurd(size_t bytes)
{
    return bytes > 16 * MIB;
}

static void fill_edges(struct slot *slot)
{
    size_t edge = slot->bytes < EDGE_BYTES ? slot->bytes : EDGE_BYTES;
    memset(slot->block, slot->fill, edge);
    memset(slot->block + slot->bytes - edge, slot->fill, edge);
}

static void check_edges(const struct slot *slot, const unsigned char *block, size_t kept)
{
    size_t edge = slot->bytes < EDGE_BYTES ? slot->bytes : EDGE_BYTES;
    for (size_t i = 0; i < edge; i++) {
        CHECK(i >= kept || block[i] == slot->fill);
        CHECK(slot->bytes - 1 - i >= kept || block[slot->bytes - 1 - i] == slot->fill);
    }
}

static void check_refusal(size_t bytes)
{
    CHECK(errno == ENOMEM && (is_absurd(bytes) || is_bounded));
}

static void keep(struct slot *slot, void *block, size_t bytes, size_t alignment)
{
    if (!block) {
        check_refusal(bytes);
        return;
    }
    CHECK(!is_absurd(bytes) && errno == ERRNO_BEFORE);
    CHECK(((uintptr_t)block & (alignment - 1)) == 0 && ((uintptr_t)block & (bytes >= 16 ? 15 : 7)) == 0);
    size_t usable = hak_malloc_usable_size(block);
    CHECK(usable >= bytes);
    *slot = (struct slot){.block = block, .bytes = next_byte() & 1 ? usable : bytes, .alignment = alignment};
    slot->fill = (unsigned char)next_byte();
    for (int i = 0; i < SLOTS; i++) /* no two blocks share a byte */
        CHECK(&slots[i] == slot || !slots[i].block || slots[i].block + slots[i].bytes <= slot->block ||
              slot->block + slot->bytes <= slots[i].block);
    live_bytes += slot->bytes;
    fill_edges(slot);
}

static void check_zero(const unsigned char *block, size_t bytes)
{
    size_t step = bytes > 8 * KIB ? 509 : 1;
    for (size_t i = 0; i < bytes; i += step)
        CHECK(block[i] == 0);
    CHECK(bytes == 0 || block[bytes - 1] == 0);
}

/* ---- operations ------------------------------------------------------------------------------------- */

static void take(struct slot *slot)
{
    unsigned way = next_byte() % 9;
    size_t bytes = next_bytes(), alignment = 1;
    void *block = NULL;
    if (!is_absurd(bytes) && live_bytes + bytes > MOST_LIVE_MIB * MIB)
        return;
    errno = ERRNO_BEFORE;
    switch (way) {
    case 0:
    case 1:
        block = hak_malloc(bytes);
        break;
    case 2:
        block = hak_calloc(1, bytes);
        break;
    case 3: { /* a product that may not fit */
        size_t count = (size_t)1 << next_byte() % 64, total;
        size_t each = bytes / count + (is_absurd(bytes) ? 2 : 0);
        bytes = __builtin_mul_overflow(count, each, &total) ? SIZE_MAX : total;
        if (!is_absurd(bytes) && live_bytes + bytes > MOST_LIVE_MIB * MIB)
            return;
        block = hak_calloc(count, each);
        break;
    }
    case 4:
        alignment = next_alignment();
        block = hak_memalign(alignment, bytes);
        break;
    case 5: {
        alignment = next_alignment();
        void *out = &slots;
        int code = hak_posix_memalign(&out, alignment, bytes);
        CHECK(errno == ERRNO_BEFORE);
        if (alignment < sizeof(void *)) {
            CHECK(code == EINVAL && out == &slots);
            return;
        }
        CHECK(code == 0 || (code == ENOMEM && out == &slots));
        block = code == 0 ? out : NULL;
        errno = code == 0 ? ERRNO_BEFORE : code;
        break;
    }
    case 6:
        alignment = next_alignment();
        block = hak_aligned_alloc(alignment, bytes);
        break;
    case 7:
        alignment = 4 * KIB;
        block = bytes & 1 ? hak_valloc(bytes) : hak_pvalloc(bytes);
        break;
    default:
        block = hak_realloc(NULL, bytes);
        break;
    }
    if (block && (way == 2 || way == 3))
        check_zero(block, bytes);
    keep(slot, block, bytes, alignment);
}

static void give(struct slot *slot, unsigned way)
{
    check_edges(slot, slot->block, slot->bytes);
    errno = ERRNO_BEFORE;
    if (way % 4 == 0)
        hak_free_sized(slot->block, slot->bytes);
    else if (way % 4 == 1)
        hak_free_aligned_sized(slot->block, slot->alignment, slot->bytes);
    else
        hak_free(slot->block);
    CHECK(errno == ERRNO_BEFORE);
    live_bytes -= slot->bytes;
    slot->block = NULL;
}

static void resize(struct slot *slot)
{
    size_t bytes = next_bytes();
    if (!is_absurd(bytes) && live_bytes + bytes > MOST_LIVE_MIB * MIB)
        return;
    check_edges(slot, slot->block, slot->bytes);
    errno = ERRNO_BEFORE;
    void *block = next_byte() & 1 ? hak_realloc(slot->block, bytes) : hak_reallocarray(slot->block, 1, bytes);
    if (!block && bytes != 0) {
        check_refusal(bytes);
        check_edges(slot, slot->block, slot->bytes);
        return;
    }
    if (block)
        check_edges(slot, block, bytes < slot->bytes ? bytes : slot->bytes);
    live_bytes -= slot->bytes;
    slot->block = NULL;
    if (block)
        keep(slot, block, bytes, 1);
}

/* A thread frees what it did not allocate, leaves a block of its own, and dies. */
static void *live_briefly(void *argument)
{
    struct slot *slot = argument;
    if (slot->block)
        give(slot, 2);
    take(slot);
    return NULL;
}

static void use_thread(struct slot *slot)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, live_briefly, slot) == 0 && pthread_join(thread, NULL) == 0);
}

/* Not to be changed here: a failed check must abort, the log is noise, and time must stand still. */
static bool is_left_alone(enum tunable tunable)
{
    return tunable == TUNABLE_check_action || tunable == TUNABLE_log_capacity || tunable == TUNABLE_log_acquire ||
           tunable == TUNABLE_clock_mode || tunable == TUNABLE_purge_background;
}

/* Any value whatever: what is out of range is clamped. */
static void set_any(void)
{
    enum tunable tunable = (enum tunable)(next_byte() % TUNABLE_COUNT);
    double value = (double)next_word() * (next_byte() & 1 ? 1 : 1.0 / 512);
    if (is_left_alone(tunable))
        return;
    set_tunable(tunable, value);
    is_bounded = SETTING(ss_max_chunks) != 0;
}

static void set_back(void)
{
    double values[TUNABLE_COUNT];
    for (int i = 0; i < TUNABLE_COUNT; i++)
        values[i] = settings_default((enum tunable)i);
    values[TUNABLE_clock_mode] = CLOCK_OPERATIONS;
    settings_store(values, false);
    is_bounded = false;
}

static void operate(void)
{
    unsigned operation = next_byte();
    struct slot *slot = &slots[next_byte() % SLOTS];
    switch (operation % 16) {
    case 0:
        hak_trim();
        break;
    case 1:
    case 2:
        set_any();
        break;
    case 3:
        use_thread(slot);
        break;
    case 4:
        CHECK(heap_is_valid());
        break;
    case 5 ... 8:
        if (slot->block) {
            resize(slot);
            break;
        } /* fall through */
    default:
        if (slot->block)
            give(slot, operation / 16);
        else
            take(slot);
    }
}

static void check_nothing_left(void)
{
    hak_trim();
    CHECK(heap_is_valid() && live_bytes == 0);
    CHECK(telemetry_get(&telemetry->global.handed_out_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.big_live) == 0 && telemetry_get(&telemetry->global.l25_live_bytes) == 0);
    CHECK(telemetry_get(&telemetry->global.corruptions) == 0 && telemetry_get(&telemetry->global.busy_slabs) == 0);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    start_on_operations();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    input = bytes;
    input_end = bytes + count;
    for (int i = 0; input < input_end && i < MOST_OPERATIONS; i++)
        operate();
    set_back();
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].block)
            give(&slots[i], 2);
    check_nothing_left();
    return 0;
}
