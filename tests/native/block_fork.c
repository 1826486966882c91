/* block_fork.c: a fork's child gets a block of its own at the same addresses, with the same content, and
 * neither touches the other's; what was never used takes no memory in either. */
#include "block_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t *word(const struct hak_block *block, unsigned row)
{
    return (uint64_t *)(void *)block->data + (size_t)row * FIXTURE_COLUMNS;
}

static long long used_bytes(const char *path)
{
    struct stat status;
    CHECK(stat(path, &status) == 0);
    return (long long)status.st_blocks * 512;
}

static void run_child(struct hak_block *block, const char *parent_path)
{
    const struct hak_header *header = block->header;
    long long parent_bytes = used_bytes(parent_path);
    static const struct hak_range used[] = {{300 * FIXTURE_COLUMNS * 8, FIXTURE_COLUMNS * 8}};
    hak_block_after_fork(block, used, 1, 1);
    CHECK(block->header == header && header->pid == (uint32_t)getpid());
    CHECK(block->path[0] && strcmp(block->path, parent_path) != 0);
    CHECK(*word(block, 300) == 77 && *word(block, 3) == 0);
    CHECK(used_bytes(block->path) <= parent_bytes && used_bytes(parent_path) == parent_bytes);

    struct hak_reader *reader = fixture_open(block->path);
    double values[2];
    uint64_t generation, cursor = 0, lost = 0;
    struct hak_event event;
    CHECK(hak_reader_alive(reader, NULL) == HAK_OK);
    CHECK(hak_reader_requested(reader, values, 2, &generation, NULL) == HAK_OK);
    CHECK(generation == 2 && values[0] == 5 && values[1] == 9);
    CHECK(hak_reader_events(reader, &cursor, &event, 1, &lost, NULL) == 0 && lost == 0);
    hak_block_append_event(block, &(struct hak_event){.operation = 1});
    CHECK(hak_reader_events(reader, &cursor, &event, 1, &lost, NULL) == 1 && event.operation == 1);

    *word(block, 300) = 88;
    const uint32_t index[] = {1};
    const double high[] = {20};
    CHECK(hak_reader_set(reader, index, high, 1, &generation, NULL) == HAK_OK && generation == 3);
    fixture_close(reader);
    hak_block_retire(block);
    CHECK(block->path[0] == 0);
}

/* A child without a block of its own must not end its parent's. */
static void run_stray_child(struct hak_block *block)
{
    hak_block_end(block);
    hak_block_retire(block);
    CHECK(atomic_load(&block->header->state) == HAK_STATE_LIVE);
}

/* One that may make no file goes on in private memory, and its parent's file is none the wiser. */
static void run_confined_child(struct hak_block *block, const char *parent_path)
{
    static const struct hak_range used[] = {{300 * FIXTURE_COLUMNS * 8, FIXTURE_COLUMNS * 8}};
    long long parent_bytes = used_bytes(parent_path);
    hak_block_after_fork(block, used, 1, 0);
    CHECK(block->path[0] == 0 && *word(block, 300) == 77 && hak_block_generation(block) == 2);
    *word(block, 300) = 99;
    hak_block_end(block);
    CHECK(used_bytes(parent_path) == parent_bytes);
}

static void await(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    struct hak_block block;
    struct hak_block_spec spec = fixture_spec("test-fork");
    CHECK(hak_block_create(&block, &spec) == 0);
    char path[sizeof block.path];
    memcpy(path, block.path, sizeof path);
    struct hak_reader *reader = fixture_open(path);
    const uint32_t index[] = {0, 1};
    const double value[] = {5, 9};
    uint64_t generation;
    CHECK(hak_reader_set(reader, index, value, 2, &generation, NULL) == HAK_OK);
    *word(&block, 300) = 77;
    hak_block_append_event(&block, &(struct hak_event){.operation = 42});

    pid_t child = fork();
    if (child == 0) {
        run_child(&block, path);
        _exit(0);
    }
    await(child);
    child = fork();
    if (child == 0) {
        run_stray_child(&block);
        _exit(0);
    }
    await(child);
    child = fork();
    if (child == 0) {
        run_confined_child(&block, path);
        _exit(0);
    }
    await(child);

    CHECK(*word(&block, 300) == 77 && hak_block_generation(&block) == 2 && strcmp(block.path, path) == 0);
    CHECK(hak_reader_alive(reader, NULL) == HAK_OK && access(path, F_OK) == 0);
    hak_block_retire(&block);
    CHECK(hak_reader_alive(reader, NULL) == HAK_ERROR_NO_PROCESS && access(path, F_OK) != 0);
    fixture_close(reader);
    return 0;
}
