/* hit_path.c: the patterns whose instructions are counted, on malloc and free as preloaded.
 * usage: hit_path pair|mid|mixed256|mixed8192|batch OPERATIONS   (an operation: a malloc and its free)
 *        hit_path usable|resize|move OPERATIONS   (an operation: a malloc_usable_size; a realloc in place; one
 *                                                  from 100 to 220 bytes or back)
 *        hit_path aligned OPERATIONS               (an operation: an aligned_alloc of 100 bytes at 64 and its free) */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;

static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void pair(long operations, size_t bytes)
{
    for (long i = 0; i < operations; i++) {
        void *volatile block = malloc(bytes);
        free(block);
    }
}

static void *slots[8192];

static void mixed(long operations, uint32_t slot_count)
{
    for (long i = 0; i < 2 * operations; i++) {
        void **slot = &slots[next_random() % slot_count];
        if (*slot) {
            free(*slot);
            *slot = NULL;
        } else {
            *slot = malloc(16 + next_random() % 1009);
        }
    }
}

static void batch(long operations)
{
    for (long done = 0; done < operations; done += 1000) {
        for (int i = 0; i < 1000; i++)
            slots[i] = malloc(16 + next_random() % 241);
        for (uint32_t left = 1000; left > 0; left--) {
            uint32_t chosen = next_random() % left;
            free(slots[chosen]);
            slots[chosen] = slots[left - 1];
        }
    }
}

static void usable(long operations)
{
    void *block = malloc(100);
    for (long i = 0; i < operations; i++) {
        volatile size_t bytes = malloc_usable_size(block);
        (void)bytes;
    }
    free(block);
}

static void resize(long operations, size_t smaller, size_t larger)
{
    void *block = malloc(larger);
    for (long i = 0; i < operations; i++)
        block = realloc(block, i & 1 ? larger : smaller);
    free(block);
}

static void aligned(long operations)
{
    for (long i = 0; i < operations; i++) {
        void *volatile block = aligned_alloc(64, 100);
        free(block);
    }
}

int main(int count, char **words)
{
    long operations = count == 3 ? atol(words[2]) : 0;
    if (operations == 0)
        return 2;
    if (strcmp(words[1], "pair") == 0)
        pair(operations, 64);
    else if (strcmp(words[1], "mid") == 0)
        pair(operations, 5000);
    else if (strcmp(words[1], "mixed256") == 0)
        mixed(operations, 256);
    else if (strcmp(words[1], "mixed8192") == 0)
        mixed(operations, 8192);
    else if (strcmp(words[1], "batch") == 0)
        batch(operations);
    else if (strcmp(words[1], "usable") == 0)
        usable(operations);
    else if (strcmp(words[1], "resize") == 0)
        resize(operations, 70, 110);
    else if (strcmp(words[1], "move") == 0)
        resize(operations, 100, 220);
    else if (strcmp(words[1], "aligned") == 0)
        aligned(operations);
    return 0;
}
