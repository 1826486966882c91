/* block_lease.c: holders of leases are killed at random moments: the publisher and its readers always go back, whoever
 * else sets meanwhile, and whenever a setter is held up. */
#include "block_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 25, LENGTH_MS = 20, HELD_UP_MS = 500, LONG_MS = 60000 };

static const uint32_t both[] = {0, 1};
static const double a[] = {3, 5}, b[] = {4, 9};

static void set(struct hak_reader *reader, double low, double high)
{
    uint64_t generation;
    const double value[] = {low, high};
    CHECK(hak_reader_set(reader, both, value, 2, &generation, NULL) == HAK_OK);
}

static void experiment(const char *path)
{
    struct hak_reader *reader = fixture_open(path);
    uint64_t generation;
    for (;;) {
        if (hak_reader_renew_lease(reader, 1, LENGTH_MS, NULL) != HAK_OK) /* at first, or held up for too long */
            CHECK(hak_reader_take_lease(reader, both, a, b, 2, 1, LENGTH_MS, NULL) == HAK_OK);
        hak_reader_set(reader, both, b, 2, &generation, NULL); /* fails if it is held up now */
        hak_reader_set(reader, both, a, 2, &generation, NULL);
    }
}

static int is_at(const double *values, const double *wanted)
{
    return values[0] == wanted[0] && values[1] == wanted[1];
}

/* What the publisher would act on, and what a reader shows. */
static int all_are_at(struct hak_block *block, struct hak_reader *reader, const double *wanted)
{
    double values[2];
    uint64_t generation;
    CHECK(hak_block_copy_requested(block, values, &generation) == 0);
    if (!is_at(values, wanted))
        return 0;
    CHECK(hak_reader_requested(reader, values, 2, &generation, NULL) == HAK_OK);
    return is_at(values, wanted);
}

static void await_lapse(struct hak_block *block)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && hak_block_is_leased(block); i++)
        nanosleep(&pause, NULL);
    CHECK(!hak_block_is_leased(block));
}

static void kill_holders(struct hak_block *block, struct hak_reader *reader)
{
    for (int i = 1; i <= KILLS; i++) {
        set(reader, a[0], a[1]);
        uint64_t before = hak_block_generation(block);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            experiment(block->path);
        while (hak_block_generation(block) < before + (uint64_t)i) /* a different moment each time */
            sched_yield();
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        await_lapse(block);
        CHECK(all_are_at(block, reader, a));
        hak_block_note_lapse(block);
        CHECK(!hak_block_note_lapse(block)); /* once is enough */
        CHECK(all_are_at(block, reader, a));
    }
}

/* A setter is held up before it writes the word at `held_up_at`, and the publisher notices meanwhile that the lease lapses. */
static struct hak_block *noticing;
static size_t held_up_at;
static uint64_t noticed; /* the generation that the publisher has adopted then */

ssize_t pwrite(int descriptor, const void *source, size_t bytes, off_t offset)
{
    if (noticing && (size_t)offset == held_up_at) {
        await_lapse(noticing);
        CHECK(hak_block_note_lapse(noticing));
        noticed = hak_block_generation(noticing);
        noticing = NULL;
    }
    return syscall(SYS_pwrite64, descriptor, source, bytes, offset);
}

static void hold_up_before(struct hak_block *block, size_t word)
{
    held_up_at = word;
    noticing = block;
}

/* As if the time of the lease had passed. */
static void let_lapse(struct hak_block *block)
{
    CHECK(hak_block_is_leased(block));
    atomic_fetch_sub(&block->header->lease_until_ns, LONG_MS * UINT64_C(1000000));
    CHECK(!hak_block_is_leased(block));
}

/* Sets b under a lease. */
static struct hak_reader *hold(struct hak_block *block, uint32_t length_ms)
{
    struct hak_reader *holder = fixture_open(block->path);
    set(holder, a[0], a[1]);
    CHECK(hak_reader_take_lease(holder, both, a, b, 2, 1, length_ms, NULL) == HAK_OK);
    set(holder, b[0], b[1]);
    return holder;
}

static void lapse(struct hak_block *block)
{
    fixture_close(hold(block, LONG_MS));
    let_lapse(block);
}

static void check_other_setters(struct hak_block *block, struct hak_reader *reader)
{
    const double by_hand[] = {3, 7}, next[] = {4, 7};
    const uint32_t high = 1, low = 0;
    uint64_t generation;

    lapse(block); /* who sets one after the lapse gets the other one back, too */
    CHECK(hak_reader_set(reader, &high, &by_hand[1], 1, &generation, NULL) == HAK_OK);
    CHECK(all_are_at(block, reader, by_hand));
    CHECK(hak_reader_set(reader, &low, &next[0], 1, &generation, NULL) == HAK_OK);
    CHECK(all_are_at(block, reader, next)); /* the held value, but set by hand: it stays */

    fixture_close(hold(block, LONG_MS)); /* what somebody sets during the lease stays */
    CHECK(hak_reader_set(reader, &high, &by_hand[1], 1, &generation, NULL) == HAK_OK);
    let_lapse(block);
    CHECK(all_are_at(block, reader, by_hand));
}

/* What would contradict the values to go back to is refused, so that going back is always possible as a whole. */
static void check_contradictions(struct hak_block *block, struct hak_reader *reader)
{
    const double by_hand = 7, low_by_hand[] = {7, b[1]}; /* the tried value is not one by hand */
    const uint32_t low = 0;
    uint64_t generation;
    char error[HAK_ERROR_TEXT_BYTES] = "";
    struct hak_reader *holder = hold(block, LONG_MS);
    CHECK(hak_reader_set(reader, &low, &by_hand, 1, &generation, error) == HAK_ERROR_CONSTRAINT);
    CHECK(strstr(error, "breaks pair.low <= pair.high (5)") && strstr(error, "an experiment goes back to that"));
    CHECK(hak_reader_set(reader, both, low_by_hand, 2, &generation, error) == HAK_ERROR_CONSTRAINT);
    CHECK(all_are_at(block, reader, b));
    set(holder, a[0], a[1]);
    CHECK(hak_reader_set(reader, &low, &by_hand, 1, &generation, error) == HAK_ERROR_CONSTRAINT);
    set(holder, b[0], b[1]);
    let_lapse(block);
    CHECK(all_are_at(block, reader, a));
    fixture_close(holder);
}

static void check_refusals(struct hak_block *block, struct hak_reader *reader)
{
    char error[HAK_ERROR_TEXT_BYTES] = "";
    set(reader, a[0], a[1]);
    CHECK(hak_reader_take_lease(reader, both, a, b, 2, 1, LONG_MS, NULL) == HAK_OK);
    set(reader, b[0], b[1]);
    CHECK(hak_reader_take_lease(reader, both, a, b, 2, 2, LONG_MS, error) == HAK_ERROR_LEASED);
    CHECK(strstr(error, "is under an experiment of process") != NULL);
    CHECK(hak_reader_renew_lease(reader, 2, LONG_MS, NULL) == HAK_ERROR_LEASED);
    CHECK(all_are_at(block, reader, b));
    CHECK(hak_reader_end_lease(reader, 1, NULL) == HAK_OK);
    CHECK(all_are_at(block, reader, b)); /* without a lease, nobody goes back */
    CHECK(hak_reader_renew_lease(reader, 1, LONG_MS, NULL) == HAK_ERROR_LEASED);

    lapse(block);
    CHECK(hak_reader_renew_lease(reader, 1, LONG_MS, error) == HAK_ERROR_LEASED);
    CHECK(strstr(error, "went back by itself") != NULL);
    CHECK(hak_reader_take_lease(reader, both, a, b, 2, 2, LONG_MS, NULL) == HAK_OK);
    CHECK(all_are_at(block, reader, a));
    CHECK(hak_reader_end_lease(reader, 2, NULL) == HAK_OK);
}

static void check_late_setters(struct hak_block *block, struct hak_reader *reader)
{
    const double by_hand = 7;
    const uint32_t high = 1;
    uint64_t generation;
    char error[HAK_ERROR_TEXT_BYTES] = "";

    lapse(block);
    hold_up_before(block, offsetof(struct hak_header, generation));
    CHECK(hak_reader_set(reader, &high, &by_hand, 1, &generation, NULL) == HAK_OK);
    CHECK(!noticing && hak_block_generation(block) != noticed); /* so the publisher looks again */

    struct hak_reader *holder = hold(block, HELD_UP_MS);
    hold_up_before(block, offsetof(struct hak_header, lease_until_ns));
    CHECK(hak_reader_renew_lease(holder, 1, LONG_MS, error) == HAK_ERROR_LEASED);
    CHECK(strstr(error, "went back by itself") != NULL);
    CHECK(!noticing && all_are_at(block, reader, a) && hak_block_generation(block) != noticed);
    fixture_close(holder);

    holder = hold(block, LONG_MS); /* who was held up does not set b without a lease */
    let_lapse(block);
    CHECK(hak_reader_set(holder, both, b, 2, &generation, error) == HAK_ERROR_LEASED);
    CHECK(all_are_at(block, reader, a));
    CHECK(hak_reader_set(holder, both, b, 2, &generation, error) == HAK_OK); /* it knows now */
    CHECK(all_are_at(block, reader, b));
    fixture_close(holder);
}

/* A child has nobody who renews its lease. */
static void check_fork(struct hak_block *block, struct hak_reader *reader)
{
    int status;
    set(reader, a[0], a[1]);
    CHECK(hak_reader_take_lease(reader, both, a, b, 2, 1, LONG_MS, NULL) == HAK_OK);
    set(reader, b[0], b[1]);
    uint64_t parents = hak_block_generation(block);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        double values[2];
        uint64_t generation;
        hak_block_after_fork(block, NULL, 0, 1);
        CHECK(hak_block_copy_requested(block, values, &generation) == 0);
        CHECK(is_at(values, a) && generation != parents);
        hak_block_retire(block);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(all_are_at(block, reader, b));
    CHECK(hak_reader_end_lease(reader, 1, NULL) == HAK_OK);
}

int main(void)
{
    struct hak_block block;
    struct hak_block_spec spec = fixture_spec("test-lease");
    spec.flags = HAK_BLOCK_KEEPS_LEASES;
    CHECK(hak_block_create(&block, &spec) == 0);
    struct hak_reader *reader = fixture_open(block.path);
    kill_holders(&block, reader);
    check_other_setters(&block, reader);
    check_contradictions(&block, reader);
    check_refusals(&block, reader);
    check_late_setters(&block, reader);
    check_fork(&block, reader);
    fixture_close(reader);
    hak_block_retire(&block);

    spec.flags = 0;
    CHECK(hak_block_create(&block, &spec) == 0);
    reader = fixture_open(block.path);
    CHECK(hak_reader_take_lease(reader, both, a, b, 2, 1, LONG_MS, NULL) == HAK_ERROR_READ_ONLY);
    fixture_close(reader);
    hak_block_retire(&block);
    return 0;
}
