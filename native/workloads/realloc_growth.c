/* realloc_growth.c: vectors that grow as a program appends to them. Each starts small and is reallocated
 * by a constant factor until it is at its largest; then it is freed and starts anew. Several grow at a
 * time, in random order, so that the end of one often is the start of another. They grow by a factor as in
 * "Dynamic tables" in Cormen, Leiserson, Rivest, Stein: "Introduction to Algorithms", 2009, and as the
 * vectors of standard libraries do. */
#include "block_content.h"
#include "catalogue.h"

enum { VECTORS, MIN_SIZE, MAX_SIZE, FACTOR, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [VECTORS] = {"vectors", "vectors", "Vectors a thread has.", 1, 100000, 8},
    [MIN_SIZE] = {"min_size", "bytes", "Size a vector starts with.", 8, 1048576, 16},
    [MAX_SIZE] = {"max_size", "bytes", "Size at which it is freed.", 8, 1073741824, 1048576},
    [FACTOR] = {"factor", "%", "A vector grows to this share of its size.", 101, 1000, 200},
};

struct growth {
    uint32_t vector_count, min_size, max_size, factor_percent;
    size_t mapped_bytes;
    struct content_block vectors[];
};

static const char *check(const double *values)
{
    return values[MIN_SIZE] > values[MAX_SIZE] ? "min_size must not be above max_size" : NULL;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[VECTORS];
    size_t bytes = sizeof(struct growth) + count * sizeof(struct content_block);
    struct growth *growth = lane->state = workload_map(lane, bytes);
    if (growth == NULL)
        return WORKLOAD_FAILED;
    growth->mapped_bytes = bytes;
    growth->vector_count = count;
    growth->min_size = (uint32_t)lane->parameters[MIN_SIZE];
    growth->max_size = (uint32_t)lane->parameters[MAX_SIZE];
    growth->factor_percent = (uint32_t)lane->parameters[FACTOR];
    return WORKLOAD_DONE;
}

static bool grow(struct workload_lane *lane, const struct growth *growth, struct content_block *vector)
{
    uint64_t grown = (uint64_t)vector->bytes * growth->factor_percent / 100;
    uint32_t bytes = grown > growth->max_size ? growth->max_size : (uint32_t)grown;
    if (bytes == vector->bytes)
        bytes++; /* a small vector, for which the factor adds less than a byte */
    void *address = WORKLOAD_REALLOC(vector->address, bytes);
    if (address == NULL) {
        workload_fail(lane, "out of memory: realloc(%u) returned NULL", bytes);
        return false;
    }
    vector->address = address;
    if (!content_is_intact(vector)) {
        workload_fail(lane, "realloc from %u to %u bytes at %p lost content", vector->bytes, bytes, address);
        return false;
    }
    vector->bytes = bytes;
    content_write(vector);
    workload_note(lane, bytes);
    return true;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct growth *growth = lane->state;
    do {
        uint32_t index = workload_below((uint32_t)(workload_random(lane) >> 32), growth->vector_count);
        struct content_block *vector = &growth->vectors[index];
        bool is_done;
        if (vector->address == NULL)
            is_done = content_allocate(lane, vector, growth->min_size);
        else if (vector->bytes >= growth->max_size)
            is_done = content_release(lane, vector, index);
        else
            is_done = grow(lane, growth, vector);
        if (!is_done)
            return WORKLOAD_FAILED;
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct growth *growth = lane->state;
    content_release_all(growth->vectors, growth->vector_count);
    workload_unmap(growth, growth->mapped_bytes);
}

const struct workload workload_realloc_growth = {
    .name = "realloc_growth",
    .help = "Vectors that grow by a factor from 16 bytes to 1 MiB, are freed and start anew.",
    .stresses = "realloc: growth in place, and the cost of copying where there is no room.",
    .operation = "one step of a vector: a realloc, its first malloc or its free",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 64,
    .check = check,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
