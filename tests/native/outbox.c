/* outbox.c: no thread is given blocks in lines of which others have parts, whoever frees what; what lies in an
 * outbox is told, comes home in time; threads get heaps of their own while there are any. */
#include "outbox.h"

#include "central.h"
#include "component_fixture.h"
#include "hakmem.h"
#include "heap.h"
#include "registry.h"

#include <pthread.h>

enum { BLOCKS = 512, OTHERS = 4000 };
static const size_t sizes[OUTBOX_COUNT] = {8, 16, 32, 48};

static void *blocks[BLOCKS];
static unsigned class_index;

static uintptr_t line_of(const void *block, size_t offset)
{
    return ((uintptr_t)block + offset) / CACHE_LINE;
}

static bool shares_a_line(const void *block, size_t bytes)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blocks[i] && line_of(blocks[i], 0) <= line_of(block, bytes - 1) &&
            line_of(block, 0) <= line_of(blocks[i], bytes - 1))
            return true;
    return false;
}

/* Frees every other of another thread's blocks, then allocates and frees many of that size. */
static void *free_and_allocate(void *unused)
{
    size_t bytes = sizes[class_index];
    void *others[OTHERS];
    for (unsigned i = 0; i < BLOCKS; i += 2) {
        hak_free(blocks[i]);
        blocks[i] = NULL;
    }
    tls_cache_publish(tls_cache);
    uint64_t held = telemetry_get(&tls_cache->row->classes[class_index].cached);
    CHECK(outbox_fill(tls_cache, class_index) > 0 && held >= outbox_fill(tls_cache, class_index));
    for (unsigned i = 0; i < OTHERS; i++) {
        others[i] = hak_malloc(bytes);
        CHECK(!shares_a_line(others[i], bytes));
    }
    for (unsigned i = 0; i < OTHERS; i++)
        hak_free(others[i]);
    CHECK(heap_is_valid());
    /* Time passes with other work: the outbox does not wait for more. */
    for (int64_t n = 0; n < SETTING(tls_adapt_ms) * 2000; n++)
        hak_free(hak_malloc(256));
    CHECK(outbox_fill(tls_cache, class_index) == 0);
    return unused;
}

static void test_no_line_is_shared_by_frees_of_others(void)
{
    for (class_index = 0; class_index < OUTBOX_COUNT; class_index++) {
        pthread_t thread;
        for (unsigned i = 0; i < BLOCKS; i++)
            blocks[i] = hak_malloc(sizes[class_index]);
        CHECK(size_classes[class_index].bytes == sizes[class_index]);
        CHECK(pthread_create(&thread, NULL, free_and_allocate, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        for (unsigned i = 0; i < BLOCKS; i++)
            hak_free(blocks[i]);
        hak_trim();
        CHECK(telemetry_get(&telemetry->classes[class_index].out) == 0);
        CHECK(telemetry_get(&telemetry->classes[class_index].slabs) == 0);
    }
}

static pthread_barrier_t together;

static void *tell_heap(void *heap)
{
    lifecycle_attach();
    *(unsigned *)heap = tls_cache->heap;
    pthread_barrier_wait(&together);
    return NULL;
}

static void test_each_thread_has_a_heap_of_its_own(void)
{
    unsigned others = central_heap_count() - 1; /* this thread has one, too */
    for (unsigned round = 0; round < 3; round++) {
        pthread_t threads[MAX_HEAPS];
        unsigned heaps[MAX_HEAPS], seen = 1u << tls_cache->heap;
        CHECK(pthread_barrier_init(&together, NULL, others) == 0);
        for (unsigned i = 0; i < others; i++)
            CHECK(pthread_create(&threads[i], NULL, tell_heap, &heaps[i]) == 0);
        for (unsigned i = 0; i < others; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
            seen |= 1u << heaps[i];
        }
        CHECK(others > 0 && seen == (1u << central_heap_count()) - 1);
        pthread_barrier_destroy(&together);
    }
}

static void test_a_thread_follows_in_the_heap_of_another(void)
{
    unsigned first = 0, second = 0;
    CHECK(pthread_barrier_init(&together, NULL, 1) == 0);
    for (unsigned i = 0; i < 2; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, tell_heap, i ? &second : &first) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(first == second && first != tls_cache->heap);
    pthread_barrier_destroy(&together);
}

/* What a thread without a fast path frees goes the same way. */
static void test_the_slow_path_does_the_same(void)
{
    set_tunable(TUNABLE_check_level, 3);
    test_no_line_is_shared_by_frees_of_others();
    set_tunable(TUNABLE_check_level, 1);
}

/* Without a check it is taken at its word. It is free once, and its slab is not released while it waits for a drain: the
 * slab would be in use elsewhere, and the drain would still change it. */
static void test_a_block_that_another_heap_frees_twice_is_free_once(void)
{
    const struct actor *actor = &tls_cache->actor;
    unsigned large = class_of_key(mid_class_table[(5000 - 1) / MID_STEP_BYTES]), heap = tls_cache->heap, other = (heap + 1) % central_heap_count();
    struct telemetry_thread_class *row = &tls_cache->row->classes[large];
    uint64_t slabs = telemetry_get(&telemetry->classes[large].slabs);
    uint32_t fresh_slabs = 0;
    void *two[2];
    CHECK(central_take(actor, row, heap, large, two, 2, &fresh_slabs) == 2);
    void *twice[2] = {two[0], two[0]}, *last = two[1];
    struct slab *slab = slab_of(registry_find(last), last);
    central_give(actor, row, other, large, twice, 2);
    central_drain_all(actor);
    CHECK(slab->used == 1 && slab->remote_count == 1);
    central_give(actor, row, heap, large, &last, 1);
    CHECK(slab->state == SLAB_CLASS && slab->used == 0 && heap_is_valid());
    central_drain_all(actor);
    CHECK(slab->remote_count == 0 && telemetry_get(&telemetry->classes[large].slabs) == slabs);
    CHECK(heap_is_valid());
}

int main(void)
{
    start_on_operations();
    hak_free(hak_malloc(1));
    test_no_line_is_shared_by_frees_of_others();
    test_the_slow_path_does_the_same();
    test_each_thread_has_a_heap_of_its_own();
    test_a_thread_follows_in_the_heap_of_another();
    test_a_block_that_another_heap_frees_twice_is_free_once();
    CHECK(heap_is_valid());
    puts("outbox: ok");
    return 0;
}
