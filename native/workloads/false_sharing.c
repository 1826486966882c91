/* false_sharing.c: cache_thrash and cache_scratch: whether threads get parts of one cache line. After
 * Berger, McKinley, Blumofe and Wilson, "Hoard: A Scalable Memory Allocator for Multithreaded
 * Applications", ASPLOS 2000.
 *
 * cache_thrash (active): each thread allocates a small object, writes it many times and frees it. An
 * allocator that carves neighbours out of a line for two threads makes both slow.
 *
 * cache_scratch (passive): the objects each thread starts with were allocated by one thread, side by side.
 * Each thread frees its own and goes on as above: an allocator that hands the same place out again keeps
 * the line shared for ever. */
#include "block_content.h"
#include "catalogue.h"

enum { SIZE, WRITES, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SIZE] = {"size", "bytes", "Size of the object.", 1, 4096, 8},
    [WRITES] = {"writes", "writes", "How often each of its bytes is written.", 1, 1000000, 100},
};

/* cache_scratch: first objects of all lanes, allocated by lane 0. */
struct first_objects {
    void *of_lane[WORKLOAD_MAX_THREADS];
};

static enum workload_outcome prepare_thrash(struct workload_lane *lane)
{
    (void)lane;
    return WORKLOAD_DONE;
}

static enum workload_outcome prepare_scratch(struct workload_lane *lane)
{
    struct first_objects *first = lane->state = workload_share(lane, sizeof *first);
    if (first == NULL)
        return WORKLOAD_FAILED;
    const size_t bytes = (size_t)lane->parameters[SIZE];
    for (uint32_t i = 0; i < lane->lane_count && lane->index == 0; i++) {
        first->of_lane[i] = WORKLOAD_MALLOC(bytes);
        if (first->of_lane[i] == NULL)
            return content_fail_memory(lane, bytes);
    }
    return WORKLOAD_DONE;
}

/* Reads each byte before it writes it, as the published loop does, so that the cache line must be present. */
static void write_object(void *object, size_t bytes, uint32_t writes)
{
    volatile unsigned char *start = object;
    for (uint32_t i = 0; i < writes; i++)
        for (size_t k = 0; k < bytes; k++)
            start[k] = (unsigned char)(start[k] + 1);
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct first_objects *first = lane->state;
    const size_t bytes = (size_t)lane->parameters[SIZE];
    const uint32_t writes = (uint32_t)lane->parameters[WRITES];
    if (first != NULL) {
        WORKLOAD_FREE(first->of_lane[lane->index]);
        first->of_lane[lane->index] = NULL;
    }
    do {
        void *object = WORKLOAD_MALLOC(bytes);
        CONTENT_KEEP(object);
        if (object == NULL)
            return content_fail_memory(lane, bytes);
        content_mark(object, lane->index);
        write_object(object, bytes, writes);
        if (!content_is_marked(object, lane->index + writes))
            return content_fail_mark(lane, object);
        WORKLOAD_FREE(object);
    } while (workload_continue(lane));
    /* All requests are the same, so the checksum only needs their number. */
    workload_note(lane, bytes);
    workload_note(lane, lane->operations);
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct first_objects *first = lane->state;
    WORKLOAD_FREE(first->of_lane[lane->index]); /* not NULL only if the lane did not run */
}

const struct workload workload_cache_thrash = {
    .name = "cache_thrash",
    .help = "Each thread allocates a small object, writes it many times and frees it (Berger 2000).",
    .stresses = "Active false sharing: two threads' new blocks in one cache line.",
    .operation = "one object allocated, written and freed",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 32,
    .prepare = prepare_thrash,
    .run = run,
    .finish = finish,
};

const struct workload workload_cache_scratch = {
    .name = "cache_scratch",
    .help = "As cache_thrash, but each thread first frees an object that one thread allocated for all "
            "(Berger 2000).",
    .stresses = "Passive false sharing: parts of a line that others freed, handed out again.",
    .operation = "one object allocated, written and freed",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 32,
    .prepare = prepare_scratch,
    .run = run,
    .finish = finish,
};
