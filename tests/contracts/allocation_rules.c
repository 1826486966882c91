/* allocation_rules.c: what a C program may expect of its allocator, one function a rule (see
 * rules.h). Linked to plain malloc: the allocator under test is preloaded. */
#include "rules.h"
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The compiler must not know the sizes that cannot be had, nor that a block is not used. */
static void *volatile sink;
static size_t hidden(size_t bytes)
{
    volatile size_t unknown = bytes;
    return unknown;
}

static bool is_aligned(const void *block, size_t alignment)
{
    return ((uintptr_t)block & (alignment - 1)) == 0;
}

/* Around the borders of size classes, pages and the thresholds between an allocator's parts. */
static const size_t sizes[] = {1,     7,     8,     9,     15,    16,    17,     24,      48,      100,     255,
                               256,   1000,  1024,  1025,  4095,  4096,  4097,   16000,   32768,   32769,   65536,
                               100000, 131072, 262145, 1048576, 1048577, 2097152, 5000000};
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

static void fill(unsigned char *block, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        block[i] = (unsigned char)(seed + i * 7);
}

static bool is_filled(const unsigned char *block, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        if (block[i] != (unsigned char)(seed + i * 7))
            return false;
    return true;
}

static bool is_zero(const unsigned char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (block[i] != 0)
            return false;
    return true;
}

RULE(malloc_of_zero_is_a_block_of_its_own)
{
    void *one = malloc(hidden(0)), *other = malloc(hidden(0));
    CHECK(one != NULL && other != NULL && one != other);
    free(one);
    free(other);
}

RULE(free_of_null_does_nothing)
{
    void *volatile nothing = NULL;
    free(nothing);
}

RULE(free_keeps_errno)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        void *block = malloc(sizes[i]);
        CHECK(block != NULL);
        memset(block, 1, sizes[i]);
        errno = 4711;
        free(block);
        CHECK(errno == 4711);
    }
}

RULE(malloc_is_aligned)
{
    for (size_t bytes = 1; bytes < 5000; bytes += bytes < 300 ? 1 : 97) {
        void *block = malloc(bytes);
        CHECK(block != NULL);
        CHECK(is_aligned(block, bytes >= 16 ? 16 : 8));
        sink = block;
        free(block);
    }
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        void *block = malloc(sizes[i]);
        CHECK(is_aligned(block, sizes[i] >= 16 ? 16 : 8));
        free(block);
    }
}

RULE(live_blocks_do_not_overlap)
{
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    static size_t lengths[COUNT];
    uint32_t random = 1;
    for (unsigned i = 0; i < COUNT; i++) {
        random = random * 1664525u + 1013904223u;
        lengths[i] = 1 + (random >> 8) % ((i % 100 == 0) ? 300000 : 2000);
        blocks[i] = malloc(lengths[i]);
        CHECK(blocks[i] != NULL);
        fill(blocks[i], lengths[i], i);
        if (i % 3 == 2) { /* holes, to be filled again */
            CHECK(is_filled(blocks[i - 1], lengths[i - 1], i - 1));
            free(blocks[i - 1]);
            blocks[i - 1] = NULL;
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK(blocks[i] == NULL || is_filled(blocks[i], lengths[i], i));
        free(blocks[i]);
    }
}

RULE(impossible_sizes_give_null_and_enomem)
{
    const size_t impossible[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, (size_t)1 << 62};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        errno = 0;
        sink = malloc(hidden(impossible[i]));
        CHECK(sink == NULL);
        CHECK(errno == ENOMEM);
        errno = 0;
        sink = calloc(hidden(impossible[i]), 1);
        CHECK(sink == NULL);
        CHECK(errno == ENOMEM);
    }
}

RULE(calloc_is_zero_where_blocks_were_dirty)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        for (int round = 0; round < 3; round++) {
            unsigned char *dirty = malloc(sizes[i]);
            CHECK(dirty != NULL);
            memset(dirty, 0xa5, sizes[i]);
            sink = dirty;
            free(dirty);
            unsigned char *clean = calloc(1, sizes[i]);
            CHECK(clean != NULL);
            CHECK(is_zero(clean, sizes[i]));
            memset(clean, 0x5a, sizes[i]);
            sink = clean;
            free(clean);
        }
    }
}

RULE(calloc_overflow_gives_null_and_enomem)
{
    errno = 0;
    sink = calloc(hidden(SIZE_MAX / 2), hidden(3));
    CHECK(sink == NULL);
    CHECK(errno == ENOMEM);
    errno = 0;
    sink = calloc(hidden((size_t)1 << 32), hidden((size_t)1 << 32));
    CHECK(sink == NULL);
    CHECK(errno == ENOMEM);
}

RULE(calloc_of_nothing_can_be_freed)
{
    free(calloc(hidden(0), 16));
    free(calloc(16, hidden(0)));
}

RULE(realloc_of_null_is_malloc)
{
    void *volatile nothing = NULL;
    unsigned char *block = realloc(nothing, 100);
    CHECK(block != NULL);
    memset(block, 1, 100);
    free(block);
}

RULE(realloc_keeps_the_content)
{
    for (size_t from = 0; from < SIZE_COUNT; from++) {
        for (size_t to = 0; to < SIZE_COUNT; to++) {
            /* Both ends of what is kept: all of it would take long. */
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            unsigned char *block = malloc(sizes[from]);
            CHECK(block != NULL);
            size_t end = kept < 64 ? 0 : kept - 64;
            fill(block, kept < 64 ? kept : 64, 3);
            memset(block + end, 0x77, kept - end);
            block = realloc(block, sizes[to]);
            CHECK(block != NULL);
            CHECK(is_aligned(block, sizes[to] >= 16 ? 16 : 8));
            CHECK(kept < 128 || is_filled(block, 64, 3));
            for (size_t i = end; i < kept; i++)
                CHECK(block[i] == 0x77);
            free(block);
        }
    }
}

/* Across all small classes, with everything that was in the block. */
RULE(realloc_keeps_small_blocks_whole)
{
    for (size_t from = 1; from <= 1100; from += from < 300 ? 1 : 37) {
        for (size_t to = 1; to <= 1100; to += to < 300 ? 3 : 41) {
            unsigned char *block = malloc(from), *neighbour = malloc(to);
            CHECK(block != NULL && neighbour != NULL);
            fill(block, from, 1);
            fill(neighbour, to, 2);
            errno = 4711;
            block = realloc(block, to);
            CHECK(block != NULL && errno == 4711);
            CHECK(is_filled(block, from < to ? from : to, 1));
            memset(block, 0x55, malloc_usable_size(block));
            CHECK(is_filled(neighbour, to, 2));
            free(block);
            free(neighbour);
        }
    }
}

RULE(realloc_grows_step_by_step)
{
    size_t bytes = 1;
    unsigned char *block = malloc(1);
    block[0] = 5;
    while (bytes < 8000000) {
        size_t more = bytes + bytes / 2 + 1;
        block = realloc(block, more);
        CHECK(block != NULL);
        CHECK(block[0] == 5 && (bytes == 1 || block[bytes - 1] == 6));
        block[more - 1] = 6;
        bytes = more;
    }
    free(block);
}

RULE(realloc_to_zero_gives_back_the_block)
{
    /* NULL or a block to free, says the standard; a leak would end this loop at the limit of memory. */
    for (int i = 0; i < 100000; i++) {
        void *block = malloc(50000);
        CHECK(block != NULL);
        sink = realloc(block, hidden(0));
        free(sink);
    }
}

RULE(realloc_that_fails_keeps_the_block)
{
    unsigned char *block = malloc(1000);
    fill(block, 1000, 9);
    errno = 0;
    sink = realloc(block, hidden((size_t)PTRDIFF_MAX + 1));
    CHECK(sink == NULL);
    CHECK(errno == ENOMEM);
    CHECK(is_filled(block, 1000, 9));
    free(block);
}

RULE(reallocarray_checks_the_product)
{
    unsigned char *block = reallocarray(NULL, 10, 100);
    CHECK(block != NULL);
    fill(block, 1000, 9);
    errno = 0;
    unsigned char *volatile kept = block; /* which a failed reallocarray leaves valid */
    sink = reallocarray(block, hidden(SIZE_MAX / 2), hidden(3));
    CHECK(sink == NULL);
    CHECK(errno == ENOMEM);
    CHECK(is_filled(kept, 1000, 9));
    block = reallocarray(kept, 20, 100);
    CHECK(block != NULL && is_filled(block, 1000, 9));
    free(block);
}

RULE(posix_memalign_aligns)
{
    for (size_t alignment = sizeof(void *); alignment <= (size_t)4 << 20; alignment *= 2) {
        for (size_t i = 0; i < SIZE_COUNT; i += 4) {
            void *block = NULL;
            CHECK(posix_memalign(&block, alignment, sizes[i]) == 0);
            CHECK(block != NULL && is_aligned(block, alignment));
            memset(block, 0x11, sizes[i]);
            CHECK(malloc_usable_size(block) >= sizes[i]);
            free(block);
        }
    }
}

RULE(posix_memalign_refuses_bad_alignments)
{
    const size_t bad[] = {1, 2, 3, 4, 12, 24, 100};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        void *block = &errno;
        errno = 4711;
        CHECK(posix_memalign(&block, hidden(bad[i]), 100) == EINVAL);
        CHECK(block == (void *)&errno);
        CHECK(errno == 4711);
    }
}

RULE(posix_memalign_says_enomem)
{
    void *block = &errno;
    CHECK(posix_memalign(&block, 64, hidden((size_t)PTRDIFF_MAX + 1)) == ENOMEM);
    CHECK(posix_memalign(&block, 4096, hidden(SIZE_MAX - 100)) == ENOMEM);
    CHECK(block == (void *)&errno);
}

RULE(aligned_alloc_and_memalign_align)
{
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        void *one = aligned_alloc(alignment, alignment * 3), *other = memalign(alignment, 100);
        CHECK(one != NULL && is_aligned(one, alignment));
        CHECK(other != NULL && is_aligned(other, alignment));
        memset(one, 1, alignment * 3);
        memset(other, 1, 100);
        free(one);
        free(other);
    }
}

/* As glibc: the next power of two, and any alignment will do for 0. */
RULE(memalign_rounds_odd_alignments_up)
{
    const size_t odd[][2] = {{0, 16}, {3, 16}, {24, 32}, {48, 64}, {100, 128}, {1000, 1024}, {5000, 8192}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (size_t bytes = 16; bytes < 3000000; bytes *= 9) {
            void *block = memalign(hidden(odd[i][0]), bytes);
            CHECK(block != NULL && is_aligned(block, odd[i][1]));
            memset(block, 1, bytes);
            free(block);
        }
    }
    errno = 0;
    sink = memalign(hidden(SIZE_MAX - 5), 100);
    CHECK(sink == NULL && errno == EINVAL);
}

RULE(valloc_gives_whole_pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block = valloc(100);
    CHECK(block != NULL && is_aligned(block, page));
    memset(block, 1, 100);
    free(block);
}

RULE(pvalloc_rounds_up_to_pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block = pvalloc(page + 1);
    CHECK(block != NULL && is_aligned(block, page));
    CHECK(malloc_usable_size(block) >= 2 * page);
    memset(block, 1, 2 * page);
    free(block);
}

RULE(aligned_blocks_can_be_reallocated)
{
    for (size_t alignment = 32; alignment <= 16384; alignment *= 8) {
        unsigned char *block = memalign(alignment, 3000);
        CHECK(block != NULL);
        fill(block, 3000, 2);
        block = realloc(block, 90000);
        CHECK(block != NULL && is_filled(block, 3000, 2));
        free(block);
    }
}

RULE(usable_size_is_at_least_the_request)
{
    CHECK(malloc_usable_size(NULL) == 0);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        unsigned char *block = malloc(sizes[i]);
        size_t usable = malloc_usable_size(block);
        CHECK(usable >= sizes[i]);
        memset(block, 0x33, usable); /* all of it is the program's */
        CHECK(malloc_usable_size(block) == usable);
        free(block);
    }
}

RULE(the_c_library_gets_its_blocks_here_too)
{
    char *text = strdup("a copy"), *pieces = NULL, *line = NULL;
    size_t capacity = 0;
    CHECK(text != NULL && strcmp(text, "a copy") == 0);
    CHECK(asprintf(&pieces, "%d and %s", 4, text) == 12);
    FILE *file = tmpfile();
    CHECK(file != NULL);
    fputs("one line\n", file);
    rewind(file);
    CHECK(getline(&line, &capacity, file) == 9);
    fclose(file);
    free(line);
    free(pieces);
    free(text);
}

/* glibc refuses one value of one parameter alone. Programs end where mallopt says that it failed. */
RULE(mallopt_accepts_what_glibc_accepts)
{
    const int parameters[] = {M_TRIM_THRESHOLD, M_TOP_PAD,   M_MMAP_THRESHOLD, M_MMAP_MAX, -5,
                              M_PERTURB,        M_ARENA_TEST, M_ARENA_MAX,      12345};
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        for (int value = -1; value <= 1 << 20; value += 1 << 18)
            CHECK(mallopt(parameters[i], value) == 1);
    CHECK(mallopt(M_MXFAST, 0) == 1 && mallopt(M_MXFAST, 160) == 1);
    CHECK(mallopt(M_MXFAST, -1) == 0 && mallopt(M_MXFAST, 161) == 0);
    sink = malloc(100);
    CHECK(sink != NULL);
    free(sink);
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
void __libc_free(void *block);

RULE(other_names_of_glibc_mean_the_same_blocks)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        free(__libc_malloc(sizes[i]));
        free(__libc_calloc(3, sizes[i]));
        free(__libc_memalign(64, sizes[i]));
        free(__libc_valloc(sizes[i]));
        free(__libc_pvalloc(sizes[i]));
        __libc_free(malloc(sizes[i]));
        __libc_free(realloc(__libc_malloc(sizes[i]), 2 * sizes[i]));
        unsigned char *block = __libc_realloc(calloc(1, sizes[i]), 2 * sizes[i]);
        CHECK(block != NULL && is_zero(block, sizes[i]));
        free(block);
    }
    __libc_free(NULL);
}

/* Gone from glibc's headers since 2.26; programs that were linked before call it still. */
__asm__(".symver old_cfree, cfree@GLIBC_2.2.5");
void old_cfree(void *block);

RULE(cfree_frees)
{
    for (size_t i = 0; i < SIZE_COUNT; i++)
        old_cfree(calloc(1, sizes[i]));
    old_cfree(NULL);
}
