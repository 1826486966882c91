/* workload.h: what a workload is; lane.h says what its driver may call. A workload is one .c file with one
 * `struct workload`, listed in catalogue.c.
 *
 * A run has N lanes. A lane is a seeded sequence of requests; one thread at a time works on it, and
 * when that thread hands over, a successor goes on where it stopped. All a driver keeps lives in its
 * lane, in memory from workload_map, so that the allocator under test sees the workload's requests
 * and nothing else.
 *
 *     prepare(lane)            maps the state, makes the first blocks        not measured
 *     run(lane) ... run(lane)  one operation, workload_continue, and again   measured
 *     finish(lane)             frees what is left                            not measured
 *
 * A run by operations makes the same requests every time: they depend on the seed, the parameters
 * and the number of lanes only. `checksum` tells whether they did. */
#ifndef HAK_WORKLOAD_H
#define HAK_WORKLOAD_H

#include "workload_random.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The allocator under test, by name and not by pointer: an indirect call would be measured too.
 * free_sized (C23) is called where the allocator has it. */
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
/* In a run by operations so many operations of a lane count as a millisecond (as clock.mode does). */
#define WORKLOAD_OPERATIONS_PER_MS 1000u

struct workload_lane;

/* All parameters are whole numbers. */
struct workload_parameter {
    const char *name, *unit, *help;
    double minimum, maximum, default_value;
};

enum workload_outcome {
    WORKLOAD_DONE,      /* workload_continue said so */
    WORKLOAD_HAND_OVER, /* a new thread shall go on with this lane */
    WORKLOAD_FAILED     /* workload_fail was called */
};

/* What the controller sees of a workload that follows a script, a recorded trace. */
struct workload_measurement {
    uint64_t own_bytes;   /* resident memory that is the replayer's and not the allocator's */
    uint64_t live_bytes;  /* asked for and not freed */
    uint64_t position_ms; /* how far it is, in the time of the script */
};

/* Of a workload whose requests, lanes and end are given: it runs by seconds or to its end. */
struct workload_script {
    uint64_t (*count_operations)(const double *parameters); /* to its end; 0: it has none */
    void (*measure)(struct workload_measurement *measurement); /* by the controller, while lanes run */
};

struct workload {
    const char *name, *help;
    const char *stresses;  /* which parts of an allocator */
    const char *operation; /* what counts as one */
    const struct workload_parameter *parameters;
    uint32_t parameter_count;
    uint32_t default_threads;
    uint32_t checkpoint_operations; /* between two looks at pause and stop; fewer for slow operations */
    /* Whether parameters that are each in range go together; the text says what does not, else NULL. */
    const char *(*check)(const double *parameters);
    const struct workload_script *script; /* NULL: it makes its requests itself */
    enum workload_outcome (*prepare)(struct workload_lane *lane); /* DONE or FAILED */
    enum workload_outcome (*run)(struct workload_lane *lane);
    void (*finish)(struct workload_lane *lane);
};

/* One lane: touched by its thread alone, except where session.c says. */
struct workload_lane {
    _Alignas(128) const double *parameters;
    void *state; /* the driver's own */
    uint64_t random, checksum;
    uint64_t operations;         /* up to the last checkpoint */
    uint32_t countdown, granted; /* operations until the next checkpoint, and at the last one */
    uint32_t index, lane_count;
    uint32_t waits; /* looks of workload_wait */
    const struct workload *workload;
};

static inline uint64_t workload_random(struct workload_lane *lane)
{
    lane->random += UINT64_C(0x9e3779b97f4a7c15);
    return workload_mix(lane->random);
}

/* One more request in a checksum, in two instructions: their polynomial at 9, so that order counts. */
static inline uint64_t workload_add_request(uint64_t checksum, uint64_t request)
{
    return checksum * 9 + request;
}

/* Adds a request to the lane's checksum. Frees and allocations differ in a bit that no size or slot has. */
#define WORKLOAD_REQUEST_FREE (UINT64_C(1) << 31)
static inline void workload_note(struct workload_lane *lane, uint64_t request)
{
    lane->checksum = workload_add_request(lane->checksum, request);
}

#endif
