/* block_sets.c: several setters at once, through readers of their own and through a shared one, while
 * the publisher adopts: no vector is ever seen torn, and no set is lost. Nor is one while the publisher is stopped. */
#include "block_fixture.h"

#include <pthread.h>

enum { SETTERS = 4, SETS_EACH = 3000 };

static struct hak_block block;
static struct hak_reader *shared;
static atomic_int setters_left = SETTERS;

static void *set_pairs(void *argument)
{
    int number = *(const int *)argument;
    struct hak_reader *reader = number < 2 ? shared : fixture_open(block.path);
    const uint32_t index[] = {0, 1};
    for (int i = 1; i <= SETS_EACH; i++) {
        double value[] = {number * SETS_EACH + i, number * SETS_EACH + i};
        uint64_t generation;
        char error[HAK_ERROR_TEXT_BYTES] = "";
        int code = hak_reader_set(reader, index, value, 2, &generation, error);
        if (code != HAK_OK)
            fprintf(stderr, "%s\n", error);
        CHECK(code == HAK_OK);
    }
    if (reader != shared)
        fixture_close(reader);
    atomic_fetch_sub(&setters_left, 1);
    return NULL;
}

static void *read_pairs(void *unused)
{
    (void)unused;
    uint64_t last = 0;
    while (atomic_load(&setters_left) > 0) {
        double requested[2], effective[2];
        uint64_t generation, adopted;
        CHECK(hak_reader_effective(shared, effective, 2, &adopted, NULL) == HAK_OK);
        CHECK(hak_reader_requested(shared, requested, 2, &generation, NULL) == HAK_OK);
        CHECK(effective[0] == effective[1] && requested[0] == requested[1]);
        CHECK(adopted <= generation && generation >= last);
        last = generation;
    }
    return NULL;
}

/* A publisher that measures on demand, but is stopped. */
static void check_stopped(void)
{
    struct hak_block_spec spec = fixture_spec("test-stopped");
    const uint32_t index[] = {0, 1};
    const double value[] = {3, 5};
    double requested[2];
    uint64_t generation;
    spec.is_on_demand = 1;
    CHECK(hak_block_create(&block, &spec) == 0);
    struct hak_reader *reader = fixture_open(block.path);
    CHECK(hak_reader_set(reader, &index[1], &value[1], 1, &generation, NULL) == HAK_OK);
    CHECK(hak_reader_set(reader, &index[0], &value[0], 1, &generation, NULL) == HAK_OK);
    CHECK(hak_reader_requested(reader, requested, 2, &generation, NULL) == HAK_OK);
    CHECK(requested[0] == 3 && requested[1] == 5);
    fixture_close(reader);
    hak_block_retire(&block);
}

int main(void)
{
    struct hak_block_spec spec = fixture_spec("test-sets");
    CHECK(hak_block_create(&block, &spec) == 0);
    shared = fixture_open(block.path);
    pthread_t threads[SETTERS], reader;
    int names[SETTERS];
    for (int i = 0; i < SETTERS; i++) {
        names[i] = i;
        CHECK(pthread_create(&threads[i], NULL, set_pairs, &names[i]) == 0);
    }
    CHECK(pthread_create(&reader, NULL, read_pairs, NULL) == 0);

    double values[2];
    uint64_t generation, adopted = 1;
    while (atomic_load(&setters_left) > 0) {
        if (hak_block_generation(&block) == adopted || hak_block_copy_requested(&block, values, &generation) != 0)
            continue;
        CHECK(values[0] == values[1]);
        hak_block_publish_effective(&block, values, generation);
        adopted = generation;
    }
    for (int i = 0; i < SETTERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(reader, NULL);
    CHECK(hak_block_generation(&block) == 1 + SETTERS * SETS_EACH);
    fixture_close(shared);
    hak_block_retire(&block);
    check_stopped();
    return 0;
}
