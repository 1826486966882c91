/* workload.h: defines a workload; lane.h has the functions that its driver may call. A workload is one .c file with one
 * `struct workload`, listed in catalogue.h.
 *
 * A run has N lanes. A lane is a seeded sequence of requests. One thread at a time works on it, and
 * when that thread hands over, a successor goes on where it stopped. A driver keeps its whole state in its
 * lane, in memory from workload_map, so that the allocator under test gets the workload's requests
 * and no others.
 *
 *     prepare(lane)            maps the state, makes the first blocks        not measured
 *     run(lane) ... run(lane)  one operation, workload_continue, and again   measured
 *     finish(lane)             frees what is left                            not measured
 *
 * A run by operations makes the same requests every time: they only depend on the seed, the parameters
 * and the number of lanes. `checksum` shows whether they were the same. */
#ifndef HAK_WORKLOAD_H
#define HAK_WORKLOAD_H

#include "workload_random.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The allocator under test is called by name and not by pointer, because an indirect call would be measured, too.
 * free_sized (C23) is called if the allocator has it. */
#if defined(HAKMEM_WORKLOADS_IN_PROCESS)
#include "hakmem.h"
#define WORKLOAD_MALLOC hak_malloc
#define WORKLOAD_CALLOC hak_calloc
#define WORKLOAD_REALLOC hak_realloc
#define WORKLOAD_ALIGNED hak_aligned_alloc
#define WORKLOAD_FREE hak_free
#define WORKLOAD_FREE_SIZED hak_free_sized
#elif defined(WORKLOAD_LATENCY)
#include "latency.h"
#define WORKLOAD_MALLOC latency_malloc
#define WORKLOAD_CALLOC latency_calloc
#define WORKLOAD_REALLOC latency_realloc
#define WORKLOAD_ALIGNED latency_aligned_alloc
#define WORKLOAD_FREE latency_free
#define WORKLOAD_FREE_SIZED latency_free_sized
#else
#include "sized_free.h"
#define WORKLOAD_MALLOC malloc
#define WORKLOAD_CALLOC calloc
#define WORKLOAD_REALLOC realloc
#define WORKLOAD_ALIGNED aligned_alloc
#define WORKLOAD_FREE free
#define WORKLOAD_FREE_SIZED sized_free
#endif

#define WORKLOAD_MAX_THREADS 256u
#define WORKLOAD_MAX_PARAMETERS 8u
#define WORKLOAD_ERROR_BYTES 256u
/* In a run by operations, so many operations of a lane count as a millisecond, as with clock.mode = operations. */
#define WORKLOAD_OPERATIONS_PER_MS 1000u

struct workload_lane;

/* All parameters are whole numbers. */
struct workload_parameter {
    const char *name, *unit, *help;
    double minimum, maximum, default_value;
};

enum workload_outcome {
    WORKLOAD_DONE,      /* workload_continue returned false */
    WORKLOAD_HAND_OVER, /* a new thread shall go on with this lane */
    WORKLOAD_FAILED     /* workload_fail was called */
};

/* What the controller measures of a workload that follows a script, that is, a recorded trace. */
struct workload_measurement {
    uint64_t own_bytes;   /* resident memory that belongs to the replayer and not to the allocator */
    uint64_t live_bytes;  /* bytes requested and not freed */
    uint64_t position_ms; /* how far the workload is in the script */
};

/* For a workload whose requests, lanes and end are given. It runs by seconds or to its end. */
struct workload_script {
    uint64_t (*count_operations)(const double *parameters); /* number of operations to its end, or 0 if it has no end */
    void (*measure)(struct workload_measurement *measurement); /* called by the controller while lanes run */
};

struct workload {
    const char *name, *help;
    const char *stresses;  /* which parts of an allocator */
    const char *operation; /* what counts as one */
    const struct workload_parameter *parameters;
    uint32_t parameter_count;
    uint32_t default_threads;
    uint32_t checkpoint_operations; /* operations between two looks at pause and stop; fewer if they are slow */
    /* Checks whether parameters that are each in range go together. Returns NULL, or a text that says what does not. */
    const char *(*check)(const double *parameters);
    const struct workload_script *script; /* NULL if the workload chooses its requests itself */
    enum workload_outcome (*prepare)(struct workload_lane *lane); /* DONE or FAILED */
    enum workload_outcome (*run)(struct workload_lane *lane);
    void (*finish)(struct workload_lane *lane);
};

/* One lane. Only its thread accesses it, except where session.c says otherwise. */
struct workload_lane {
    _Alignas(128) const double *parameters;
    void *state; /* the driver's own */
    uint64_t random, checksum;
    uint64_t operations;         /* up to the last checkpoint */
    uint32_t countdown, granted; /* operations until the next checkpoint, and at the last one */
    uint32_t index, lane_count;
    uint32_t waits; /* number of calls of workload_wait */
    const struct workload *workload;
};

static inline uint64_t workload_random(struct workload_lane *lane)
{
    lane->random += UINT64_C(0x9e3779b97f4a7c15);
    return workload_mix(lane->random);
}

/* Adds a request to a checksum by two instructions. The checksum is a polynomial of the requests at 9, so it depends on
 * their order. */
static inline uint64_t workload_add_request(uint64_t checksum, uint64_t request)
{
    return checksum * 9 + request;
}

/* Adds a request to the lane's checksum. A free has a bit set that no size or slot number has. */
#define WORKLOAD_REQUEST_FREE (UINT64_C(1) << 31)
static inline void workload_note(struct workload_lane *lane, uint64_t request)
{
    lane->checksum = workload_add_request(lane->checksum, request);
}

#endif
