/* block_killed_setter.c: setters are killed in the middle of their sets: what is left is the old
 * settings or the new, and the next setter goes on at once. */
#include "block_fixture.h"

#include <signal.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 60 };

static void set_for_ever(const char *path)
{
    struct hak_reader *reader = fixture_open(path);
    const uint32_t index[] = {0, 1};
    for (int i = 1;; i++) {
        double value[] = {i, i};
        uint64_t generation;
        CHECK(hak_reader_set(reader, index, value, 2, &generation, NULL) == HAK_OK);
    }
}

int main(void)
{
    struct hak_block block;
    struct hak_block_spec spec = fixture_spec("test-killed");
    CHECK(hak_block_create(&block, &spec) == 0);
    struct hak_reader *reader = fixture_open(block.path);
    for (int i = 1; i <= KILLS; i++) {
        uint64_t before = hak_block_generation(&block), generation;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            set_for_ever(block.path);
        while (hak_block_generation(&block) < before + (uint64_t)i) /* a different moment each time */
            sched_yield();
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);

        double values[2];
        CHECK(hak_block_copy_requested(&block, values, &generation) == 0);
        CHECK(values[0] == values[1] && generation >= before);
        const uint32_t index[] = {0, 1};
        const double next[] = {7, 7};
        uint64_t set;
        CHECK(hak_reader_set(reader, index, next, 2, &set, NULL) == HAK_OK && set == generation + 1);
    }
    fixture_close(reader);
    hak_block_retire(&block);
    return 0;
}
