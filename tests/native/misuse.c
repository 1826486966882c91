/* misuse.c: one small wrong program each, to be run at every check.level and check.action
 * (HAKMEM_CHECK_LEVEL, HAKMEM_CHECK_ACTION). Ends with the number of checks that failed, if it comes to
 * that; the allocator must then be whole.
 * usage: misuse CASE | misuse --list */
#include "central.h"
#include "check.h"
#include "hakmem.h"
#include "heap.h"
#include "registry.h"
#include "telemetry.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum { MANY = 300 };
static char in_data[64] = "not ours";

static void double_free_tiny(void)
{
    void *block = hak_malloc(100);
    hak_free(block);
    hak_free(block);
}

static void double_free_mid(void)
{
    void *block = hak_malloc(5000);
    hak_free(block);
    hak_free(block);
}

static void double_free_large(void)
{
    void *block = hak_malloc(300000);
    hak_free(block);
    hak_free(block);
}

static void double_free_big(void)
{
    void *block = hak_malloc(5000000);
    hak_free(block);
    hak_free(block);
}

static void *free_one(void *block)
{
    hak_free(block);
    return NULL;
}

static void double_free_in_another_thread(void)
{
    pthread_t thread;
    void *block = hak_malloc(100);
    hak_free(block);
    CHECK(pthread_create(&thread, NULL, free_one, block) == 0 && pthread_join(thread, NULL) == 0);
}

/* The first free was long ago: its block is back in its slab. */
static void double_free_after_a_flush(void)
{
    void *kept = hak_malloc(100), *block = hak_malloc(100);
    hak_free(block);
    hak_trim();
    hak_free(block);
    hak_trim();
    hak_free(kept);
}

static void free_of_a_stack_address(void)
{
    long on_stack[8] = {0};
    hak_free(&on_stack[2]);
}

static void free_of_static_data(void)
{
    hak_free(in_data);
}

static void free_of_mapped_memory(void)
{
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapped != MAP_FAILED);
    hak_free(mapped);
}

static void free_of_what_is_not_mapped(void)
{
    hak_free((void *)0x1000);
}

static void free_of_an_odd_address(void)
{
    char *block = hak_malloc(100);
    hak_free(block + 3);
    hak_free(block);
}

static void free_inside_a_tiny_block(void)
{
    char *block = hak_malloc(100);
    hak_free(block + 8);
    hak_trim();
    hak_free(block);
}

static void free_inside_a_large_block(void)
{
    char *block = hak_malloc(300000);
    hak_free(block + 4096);
    hak_free(block);
}

static void free_inside_a_big_block(void)
{
    char *block = hak_malloc(5000000);
    hak_free(block + 4096);
    hak_free(block);
}

static void realloc_of_a_freed_tiny_block(void)
{
    void *block = hak_malloc(100);
    hak_free(block);
    CHECK(hak_realloc(block, 3000) == NULL);
}

static void realloc_of_a_freed_large_block(void)
{
    void *block = hak_malloc(300000);
    hak_free(block);
    CHECK(hak_realloc(block, 3000) == NULL);
}

static void realloc_of_a_foreign_address(void)
{
    CHECK(hak_realloc(in_data + 16, 100) == NULL);
}

static void realloc_inside_a_tiny_block(void)
{
    char *block = hak_malloc(100);
    CHECK(hak_realloc(block + 8, 50) == NULL);
    hak_free(block);
}

static void realloc_inside_a_mid_block(void)
{
    char *block = hak_malloc(20000);
    CHECK(hak_realloc(block + 8192, 30000) == NULL);
    hak_free(block);
}

static void usable_size_of_a_foreign_address(void)
{
    CHECK(hak_malloc_usable_size(in_data + 16) == 0);
}

static void usable_size_inside_a_tiny_block(void)
{
    char *block = hak_malloc(100);
    CHECK(hak_malloc_usable_size(block + 16) == 0);
    hak_free(block);
}

static void usable_size_of_an_odd_address(void)
{
    char *block = hak_malloc(100);
    CHECK(hak_malloc_usable_size(block + 3) == 0);
    hak_free(block);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CASE(name) {#name, name}
    CASE(double_free_tiny),
    CASE(double_free_mid),
    CASE(double_free_large),
    CASE(double_free_big),
    CASE(double_free_in_another_thread),
    CASE(double_free_after_a_flush),
    CASE(free_of_a_stack_address),
    CASE(free_of_static_data),
    CASE(free_of_mapped_memory),
    CASE(free_of_what_is_not_mapped),
    CASE(free_of_an_odd_address),
    CASE(free_inside_a_tiny_block),
    CASE(free_inside_a_large_block),
    CASE(free_inside_a_big_block),
    CASE(realloc_of_a_freed_tiny_block),
    CASE(realloc_of_a_freed_large_block),
    CASE(realloc_of_a_foreign_address),
    CASE(realloc_inside_a_tiny_block),
    CASE(realloc_inside_a_mid_block),
    CASE(usable_size_of_a_foreign_address),
    CASE(usable_size_inside_a_tiny_block),
    CASE(usable_size_of_an_odd_address),
};

int main(int count, char **words)
{
    for (size_t i = 0; count == 2 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(words[1], "--list") == 0)
            puts(cases[i].name);
        if (strcmp(words[1], cases[i].name) != 0)
            continue;
        hak_free(hak_malloc(1));
        cases[i].run();
        hak_trim(); /* a level that looks at flushes sees this one */
        printf("%llu refused\n", (unsigned long long)telemetry_get(&telemetry->global.corruptions));
        CHECK(heap_is_valid());
        for (unsigned n = 0; n < 1000; n++)
            hak_free(memset(hak_malloc(n), 1, n));
    }
    return 0;
}
