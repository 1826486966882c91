/* range.c: the range grows with what is used; a thread that knows an older bound still frees what lies beyond it;
 * where another's mapping lies the range ends, and what is taken then is found all the same. */
#include "range.h"

#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"
#include "registry.h"
#include "tls_cache.h"

#include <pthread.h>
#include <sys/mman.h>

enum { BLOCKS = 12000 };
#define BLOCK_BYTES ((size_t)30000)

static char *blocks[BLOCKS];
static pthread_barrier_t turn;

/* Its own block makes the thread know a bound; the last of the main thread lies beyond it. */
static void *free_beyond_the_bound(void *unused)
{
    hak_free(hak_malloc(BLOCK_BYTES));
    uint64_t known = tls_cache->range_limit;
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    CHECK(range_bytes() / 8 > known && tls_cache->range_limit == known);
    CHECK(range_offset(blocks[BLOCKS - 1]) / 8 >= known);
    hak_free(blocks[BLOCKS - 1]);
    CHECK(tls_cache->range_limit == range_bytes() / 8);
    return unused;
}

static void test_the_range_grows_under_a_thread(void)
{
    pthread_t thread;
    size_t first_bytes = range_bytes();
    CHECK(pthread_barrier_init(&turn, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, free_beyond_the_bound, NULL) == 0);
    pthread_barrier_wait(&turn);
    for (int i = 0; i < BLOCKS; i++)
        CHECK((blocks[i] = hak_malloc(BLOCK_BYTES)) != NULL && range_holds(blocks[i]));
    CHECK(range_bytes() >= BLOCKS * BLOCK_BYTES && range_bytes() > first_bytes);
    pthread_barrier_wait(&turn);
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < BLOCKS - 1; i++)
        hak_free(blocks[i]);
    CHECK(heap_is_valid());
}

/* A free frame of the range is nobody's: it can be mapped by others. */
static void test_the_range_ends_at_a_mapping_of_others(void)
{
    enum { MANY = 40 };
    static char *big[MANY];
    char *last = hak_malloc(3 * CHUNK_BYTES);
    CHECK(last && range_holds(last));
    hak_free(last);
    hak_trim();
    char *foreign = NULL;
    for (char *frame = range.base; !foreign; frame += CHUNK_BYTES) {
        foreign = mmap(frame, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        foreign = foreign == MAP_FAILED ? NULL : foreign;
    }
    memset(foreign, 0x5A, CHUNK_BYTES);
    for (int i = 0; i < MANY; i++) {
        size_t bytes = i % 2 ? CHUNK_BYTES : BLOCK_BYTES;
        CHECK((big[i] = hak_malloc(bytes)) != NULL && registry_find(big[i]) != NULL);
        memset(big[i], i, bytes);
        CHECK(big[i] + bytes <= foreign || big[i] >= foreign + CHUNK_BYTES);
    }
    CHECK(!range_holds(big[MANY - 1]) && heap_is_valid());
    for (int i = 0; i < MANY; i++) {
        CHECK(big[i][BLOCK_BYTES - 1] == i);
        hak_free(big[i]);
    }
    for (size_t i = 0; i < CHUNK_BYTES; i++)
        CHECK(foreign[i] == 0x5A);
    CHECK(munmap(foreign, CHUNK_BYTES) == 0 && heap_is_valid());
}

int main(void)
{
    CHECK(lifecycle_start() && range.base && range_bytes() > 0);
    test_the_range_grows_under_a_thread();
    test_the_range_ends_at_a_mapping_of_others();
    puts("range: ok");
    return 0;
}
