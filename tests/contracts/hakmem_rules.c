/* hakmem_rules.c: calls that glibc 2.36 and most peers lack, or answer in their own terms: asked of hakmem
 * alone. */
#include "rules.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void *look_up(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    CHECK(function != NULL);
    return function;
}

RULE(free_sized_frees_what_malloc_gave)
{
    void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))look_up("free_sized");
    size_t live = mallinfo2().uordblks;
    for (size_t bytes = 1; bytes < 8 * MIB; bytes += bytes / 2 + 1)
        free_sized(malloc(bytes), bytes);
    free_sized(NULL, 100);
    malloc_trim(0);
    CHECK(mallinfo2().uordblks <= live);
}

RULE(free_aligned_sized_frees_what_aligned_alloc_gave)
{
    void (*free_aligned_sized)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))look_up("free_aligned_sized");
    size_t live = mallinfo2().uordblks;
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 2)
        free_aligned_sized(aligned_alloc(alignment, 3 * alignment), alignment, 3 * alignment);
    free_aligned_sized(NULL, 64, 100);
    malloc_trim(0);
    CHECK(mallinfo2().uordblks <= live);
}

/* From half of what a block holds on, and wherever no smaller block would serve. */
RULE(small_blocks_change_their_size_where_they_lie)
{
    for (size_t bytes = 1; bytes <= 32768; bytes += 1 + bytes / 8) {
        unsigned char *start = malloc(bytes), *block = start;
        size_t usable = malloc_usable_size(block);
        for (size_t other = usable; other >= usable / 2; other -= 1 + usable / 16)
            CHECK((block = realloc(block, other)) == start && malloc_usable_size(block) == usable);
        for (size_t other = usable; usable == 8 && other > 0; other--)
            CHECK((block = realloc(block, other)) == start);
        free(block);
    }
}

/* The slabs behind a block that shrank stay free: nobody else asks for any here. */
RULE(large_blocks_change_their_size_where_they_lie)
{
    unsigned char *start = aligned_alloc(MIB, MIB), *block = start;
    memset(block, 7, MIB);
    for (size_t bytes = MIB / 2; bytes > 40000; bytes /= 2)
        CHECK((block = realloc(block, bytes)) == start && malloc_usable_size(block) <= 2 * bytes);
    size_t kept = malloc_usable_size(block);
    for (size_t bytes = 2 * kept; bytes <= MIB; bytes *= 2) {
        CHECK((block = realloc(block, bytes)) == start && malloc_usable_size(block) >= bytes);
        memset(block + bytes / 2, 7, bytes / 2);
    }
    for (size_t i = 0; i < MIB; i++)
        CHECK(block[i] == 7);
    free(block);
}

/* Programs fill what malloc_usable_size tells, or count it: Redis's own tests compare it with what they requested. */
RULE(a_large_block_tells_little_more_than_was_requested)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t bytes = 32769; bytes <= 2 * MIB; bytes += bytes / 16) {
        unsigned char *start = malloc(bytes), *block = start;
        CHECK(malloc_usable_size(block) >= bytes && malloc_usable_size(block) < bytes + page);
        size_t longer = bytes + page < 65536 ? bytes + page : bytes; /* both fit in 64 KiB */
        CHECK((block = realloc(block, longer)) == start);
        CHECK(malloc_usable_size(block) >= longer && malloc_usable_size(block) < longer + page);
        memset(block, 1, malloc_usable_size(block));
        free(block);
    }
}

/* A neighbour in the way: the block moves, with what was in it, and the neighbour keeps its own. */
RULE(large_blocks_move_where_they_cannot_grow)
{
    enum { COUNT = 64, BYTES = 60000 };
    unsigned char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        memset(blocks[i] = malloc(BYTES), i, BYTES);
    for (int i = 0; i < COUNT; i += 2)
        memset(blocks[i] = realloc(blocks[i], 4 * BYTES), i, BYTES);
    for (int i = 0; i < COUNT; i++) {
        for (int offset = 0; offset < BYTES; offset++)
            CHECK(blocks[i][offset] == i);
        free(blocks[i]);
    }
}

RULE(mallinfo_counts_what_is_at_the_user)
{
    malloc_trim(0);
    struct mallinfo2 before = mallinfo2();
    void *small[1000], *large = malloc(300000), *big = malloc(5 * MIB);
    for (int i = 0; i < 1000; i++)
        small[i] = malloc(1000);
    struct mallinfo2 during = mallinfo2();
    size_t added = 1000 * 1024 + 524288 + 5 * MIB;
    CHECK(during.uordblks >= before.uordblks + added);
    CHECK(during.uordblks <= before.uordblks + added + 2 * MIB);
    size_t big_bytes = during.hblkhd - before.hblkhd; /* in pages, and a block may start inside its first */
    CHECK(during.hblks == before.hblks + 1 && big_bytes >= 5 * MIB && big_bytes <= 5 * MIB + 4096);
    CHECK(during.arena >= 1000 * 1024);
    CHECK((size_t)mallinfo().uordblks == during.uordblks);
    free(large);
    free(big);
    CHECK(mallinfo2().keepcost >= 5 * MIB);
    for (int i = 0; i < 1000; i++)
        free(small[i]);
    malloc_trim(0);
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks <= before.uordblks && after.keepcost == 0 && after.hblks == before.hblks);
}

RULE(malloc_info_writes_xml)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(malloc_info(0, stream) == 0);
    CHECK(fclose(stream) == 0);
    CHECK(strncmp(text, "<malloc version=", 16) == 0 && strstr(text, "</malloc>\n") && strstr(text, "type=\"live\""));
    free(text);
    errno = 0;
    CHECK(malloc_info(1, stdout) == -1 && errno == EINVAL);
}

RULE(malloc_stats_writes_to_standard_error)
{
    int ends[2];
    char text[1024] = "";
    CHECK(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    malloc_stats();
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "bytes live") && strstr(text, "committed"));
}

/* With M_TRIM_THRESHOLD -1 nothing goes back by itself. */
RULE(mallopt_minus_one_keeps_memory)
{
    CHECK(mallopt(M_TRIM_THRESHOLD, -1) == 1);
    for (int i = 0; i < 10000; i++)
        free(malloc(64)); /* the setting is adopted */
    free(malloc(5 * MIB));
    struct timespec pause = {.tv_sec = 1, .tv_nsec = 500000000}; /* beyond the default delay */
    nanosleep(&pause, NULL);
    for (int i = 0; i < 10000; i++)
        free(malloc(64));
    CHECK(mallinfo2().keepcost >= 5 * MIB);
}

RULE(mallopt_check_action_refuses)
{
    CHECK(mallopt(M_CHECK_ACTION, 1) == 1); /* glibc's: print, go on */
    for (int i = 0; i < 10000; i++)
        free(malloc(64));
    long on_stack[8];
    free(&on_stack[2]);
}

/* As programs find it that were linked before it left glibc's headers. */
RULE(cfree_is_found_with_and_without_its_version)
{
    void (*frees[])(void *) = {(void (*)(void *))look_up("cfree"),
                               (void (*)(void *))dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.2.5")};
    for (int i = 0; i < 2; i++) {
        CHECK(frees[i] != NULL);
        frees[i](malloc(100));
    }
}

RULE(a_wide_alignment_maps_what_the_block_needs)
{
    size_t before = mallinfo2().hblkhd;
    for (size_t alignment = 4 * MIB; alignment <= (size_t)64 << 30; alignment *= 4) {
        char *block = aligned_alloc(alignment, 100);
        CHECK(block != NULL && ((uintptr_t)block & (alignment - 1)) == 0);
        memset(block, 1, 100);
        CHECK(mallinfo2().hblkhd - before <= 4 * MIB);
        block = realloc(block, 3 * MIB);
        CHECK(block != NULL && block[99] == 1);
        free(block);
    }
}
