/* replay.c: makes the allocation calls of a recorded program again, under any allocator. Lanes work through a plan
 * (replay_plan.h), which also contains the order between them.
 *
 * The replayer's own memory is the table of slots and a segment for each lane. It is touched before the
 * run and reported to the session, so that it does not count as the allocator's. */
#include "replay.h"
#include "catalogue.h"
#include "lane.h"
#include "processor.h"
#include "replay_plan.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SPEED, LOOPS, TOUCH, PARAMETER_COUNT };
enum touch { TOUCH_NONE, TOUCH_ENDS, TOUCH_PAGES, TOUCH_ALL };

static const struct workload_parameter parameters[] = {
    [SPEED] = {"speed", "percent", "Of the recorded speed, each thread keeping to its own times; 0: as fast as it goes.",
               0, 1e6, 0},
    [LOOPS] = {"loops", "times", "How often the trace is replayed; 0: until the seconds are over.", 0, 1e9, 1},
    [TOUCH] = {"touch", "level", "What is written: 0 nothing, 1 both ends of a block, 2 a byte a page, 3 every byte.",
               0, 3, 2},
};

#define PAGE_BYTES 4096u
#define PREFETCH_OPERATIONS 12u
#define SPINS 1000u           /* a lane looks at a word so often before it sleeps between looks */
#define LATE_US 20000u        /* a lane later than this, as after a pause, does not hurry to make up for it */
#define LONGEST_SLEEP_US 5000 /* so that a lane looks at pause and stop in between */
#define SLOT_BLOCK 64u        /* a lane clears so many slots in a row */

struct slot {
    void *block;
    _Atomic uint32_t sequence; /* number of operations on it; odd if occupied. Another lane waits for it (acquire) */
    uint32_t bytes;            /* UINT32_MAX means that or more */
};

_Static_assert(sizeof(struct slot) == 16, "four a cache line");

struct replay_lane {
    uint32_t at; /* index of the next operation in the segment */
    uint32_t speed_percent, touch, meetings, loops_left;
    uint64_t first_us, recorded_us; /* when the lane began, and how far it is in the trace */
    _Atomic uint64_t live_bytes, position_us; /* written by the lane, read by the controller; relaxed */
    struct replay_segment segment;
    struct replay_operation beyond[PREFETCH_OPERATIONS]; /* zeros, which a prefetch at the segment's end reads */
};

static struct {
    int descriptor;
    bool is_open;
    struct replay_header header;
    struct slot *slots;
    size_t slot_bytes;
    _Atomic uint64_t own_bytes;
    _Atomic(struct replay_lane *) lanes[REPLAY_MAX_LANES];
    struct {
        _Alignas(64) _Atomic uint32_t count;
    } starts[REPLAY_MAX_LANES]; /* how many threads each lane was told to start */
    _Alignas(64) _Atomic uint32_t arrived;
} replay;

int replay_open(const char *path, uint32_t *lane_count, char *error)
{
    char reason[REPLAY_ERROR_BYTES / 2];
    replay.descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (replay.descriptor < 0) {
        snprintf(error, REPLAY_ERROR_BYTES, "%.100s: %s", path, strerror(errno));
        return -1;
    }
    char long_reason[REPLAY_ERROR_BYTES];
    if (replay_read_header(replay.descriptor, &replay.header, long_reason) != 0) {
        snprintf(reason, sizeof reason, "%.100s", long_reason);
        snprintf(error, REPLAY_ERROR_BYTES, "%.100s: %s", path, reason);
        close(replay.descriptor);
        return -1;
    }
    replay.slot_bytes = replay.header.slot_count * sizeof(struct slot);
    /* The pages are touched now, not while the run is measured, so that all of them are resident in every sample. */
    replay.slots =
        mmap(NULL, replay.slot_bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (replay.slots == MAP_FAILED) {
        snprintf(error, REPLAY_ERROR_BYTES, "the system refused %zu bytes for the table of live objects: %s",
                 replay.slot_bytes, strerror(errno));
        close(replay.descriptor);
        return -1;
    }
    posix_fadvise(replay.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    replay.is_open = true;
    atomic_store_explicit(&replay.own_bytes, replay.slot_bytes, memory_order_relaxed);
    *lane_count = replay.header.lane_count;
    return 0;
}

/* --- waiting ---------------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void sleep_us(uint64_t us)
{
    struct timespec span = {.tv_sec = (time_t)(us / 1000000u), .tv_nsec = (long)(us % 1000000u * 1000u)};
    nanosleep(&span, NULL);
}

/* Called after each look in vain; waits longer the higher *turn is. Returns false if the run is over. */
static bool give_way(struct workload_lane *lane, uint32_t *turn)
{
    if (++*turn > SPINS)
        sleep_us(*turn < 2 * SPINS ? 20 : 500);
    return workload_wait(lane);
}

static bool await_slot(struct workload_lane *lane, struct slot *slot, uint32_t sequence)
{
    uint32_t turn = 0;
    while (atomic_load_explicit(&slot->sequence, memory_order_acquire) != sequence)
        if (!give_way(lane, &turn))
            return false;
    return true;
}

static bool await_count(struct workload_lane *lane, _Atomic uint32_t *count, uint32_t least)
{
    uint32_t turn = 0;
    while ((int32_t)(atomic_load_explicit(count, memory_order_acquire) - least) < 0)
        if (!give_way(lane, &turn))
            return false;
    return true;
}

/* Waits until every lane has called this. */
static bool meet(struct workload_lane *lane, struct replay_lane *state)
{
    atomic_fetch_add_explicit(&replay.arrived, 1, memory_order_acq_rel);
    return await_count(lane, &replay.arrived, ++state->meetings * replay.header.lane_count);
}

/* Waits until the recorded time, scaled by the speed, has come. */
static bool await_time(struct workload_lane *lane, struct replay_lane *state)
{
    uint64_t due_us = state->first_us + state->recorded_us * 100 / state->speed_percent;
    for (;;) {
        uint64_t at_us = now_us();
        if (at_us > due_us + LATE_US)
            state->first_us += at_us - due_us;
        if (at_us >= due_us)
            return true;
        uint64_t left_us = due_us - at_us;
        if (left_us < 80) {
            processor_pause();
            continue;
        }
        sleep_us(left_us - 60 < LONGEST_SLEEP_US ? left_us - 60 : LONGEST_SLEEP_US);
        if (!workload_wait(lane))
            return false;
    }
}

/* --- operations ------------------------------------------------------------------------------------- */

/* Writes to the new part of a block that had `kept` bytes before. */
static inline void touch_block(char *block, uint64_t kept, uint64_t bytes, uint32_t touch)
{
    if (touch == TOUCH_NONE || bytes <= kept)
        return;
    if (touch == TOUCH_ALL) {
        memset(block + kept, 0x5a, bytes - kept);
        return;
    }
    volatile char *start = block;
    start[kept] = 0x5a;
    if (touch == TOUCH_PAGES)
        for (uint64_t at = kept + PAGE_BYTES; at < bytes; at += PAGE_BYTES)
            start[at] = 0x5a;
    start[bytes - 1] = 0x5a;
}

/* memalign takes any size; the functions used instead in other builds may require a multiple of the alignment. */
static inline void *allocate_aligned(size_t alignment, size_t bytes)
{
#if defined(HAKMEM_WORKLOADS_IN_PROCESS) || defined(WORKLOAD_LATENCY)
    return WORKLOAD_ALIGNED(alignment, (bytes + alignment - 1) & ~(alignment - 1));
#else
    return memalign(alignment, bytes);
#endif
}

static inline void *allocate(const struct replay_operation *operation)
{
    if (operation->kind == REPLAY_MALLOC)
        return WORKLOAD_MALLOC(operation->size);
    if (operation->kind == REPLAY_CALLOC)
        return WORKLOAD_CALLOC(1, operation->size);
    return allocate_aligned((size_t)1 << operation->alignment_log2, operation->size);
}

static inline uint32_t clip(uint64_t bytes)
{
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static inline void add_live(struct replay_lane *state, int64_t bytes)
{
    uint64_t live = atomic_load_explicit(&state->live_bytes, memory_order_relaxed) + (uint64_t)bytes;
    atomic_store_explicit(&state->live_bytes, live, memory_order_relaxed);
}

/* Advances the slot's sequence, with release, after operations on it. */
static inline void advance(struct slot *slot, uint32_t steps)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, sequence + steps, memory_order_release);
}

static bool fail_memory(struct workload_lane *lane, const struct replay_operation *operation)
{
    static const char *const names[] = {"malloc", "calloc", "aligned_alloc", "realloc"};
    workload_fail(lane, "out of memory: %s of %llu bytes returned NULL", names[operation->kind],
                  (unsigned long long)operation->size);
    return false;
}

/* Does one event of the trace. If it fails, it reports that and returns false. */
static inline bool do_event(struct workload_lane *lane, struct replay_lane *state,
                            const struct replay_operation *operation)
{
    struct slot *slot = &replay.slots[operation->slot];
    uint32_t kind = operation->kind;
    bool is_occupied = atomic_load_explicit(&slot->sequence, memory_order_relaxed) & 1;
    if (__builtin_expect(is_occupied != (kind >= REPLAY_REALLOC), 0)) {
        workload_fail(lane, "the plan is damaged: slot %u is %s", operation->slot, is_occupied ? "taken" : "empty");
        return false;
    }
    if (kind == REPLAY_FREE) {
        WORKLOAD_FREE(slot->block);
        add_live(state, -(int64_t)slot->bytes);
        workload_note(lane, WORKLOAD_REQUEST_FREE | operation->slot);
        advance(slot, 1);
        return true;
    }
    void *block = kind == REPLAY_REALLOC ? WORKLOAD_REALLOC(slot->block, operation->size) : allocate(operation);
    if (__builtin_expect(block == NULL && operation->size != 0, 0))
        return fail_memory(lane, operation);
    uint64_t kept = kind == REPLAY_REALLOC ? slot->bytes : 0;
    if (block != NULL)
        touch_block(block, kept, operation->size, state->touch);
    slot->block = block;
    slot->bytes = clip(operation->size);
    add_live(state, (int64_t)slot->bytes - (int64_t)kept);
    workload_note(lane, (uint64_t)kind << 56 ^ (uint64_t)operation->alignment_log2 << 48 ^ operation->size);
    advance(slot, kind == REPLAY_REALLOC ? 2 : 1);
    return true;
}

/* Does an operation that keeps lanes in order. Returns false if the run is over. */
static bool do_order(struct workload_lane *lane, struct replay_lane *state, const struct replay_operation *operation)
{
    switch (operation->kind) {
    case REPLAY_AWAIT_SLOT:
        return await_slot(lane, &replay.slots[operation->slot], (uint32_t)operation->size);
    case REPLAY_AWAIT_START:
        return await_count(lane, &replay.starts[operation->slot].count, (uint32_t)operation->size);
    case REPLAY_SIGNAL_START:
        atomic_fetch_add_explicit(&replay.starts[operation->slot].count, 1, memory_order_release);
        return true;
    case REPLAY_GAP:
        state->recorded_us += operation->size;
        return state->speed_percent == 0 || await_time(lane, state);
    default:
        return true;
    }
}

/* --- lanes ------------------------------------------------------------------------------------------ */

static bool enter_segment(struct workload_lane *lane, struct replay_lane *state, uint64_t index)
{
    const char *fault =
        replay_read_segment(replay.descriptor, &replay.header, index, lane->index, &state->segment);
    if (fault != NULL)
        workload_fail(lane, "the plan is damaged: %s", fault);
    state->at = 0;
    return fault == NULL;
}

/* Frees the blocks that the trace leaves; each lane does so for its share of the slots. */
static void clear_slots(const struct workload_lane *lane)
{
    uint64_t step = (uint64_t)lane->lane_count * SLOT_BLOCK, count = replay.header.slot_count;
    for (uint64_t first = (uint64_t)lane->index * SLOT_BLOCK; first < count; first += step)
        for (uint64_t i = first; i < count && i < first + SLOT_BLOCK; i++) {
            if (atomic_load_explicit(&replay.slots[i].sequence, memory_order_relaxed) & 1)
                WORKLOAD_FREE(replay.slots[i].block);
            replay.slots[i].block = NULL;
            atomic_store_explicit(&replay.slots[i].sequence, 0, memory_order_relaxed);
        }
}

static void begin_loop(struct replay_lane *state)
{
    state->first_us = now_us();
    state->recorded_us = 0;
}

/* Between two replays of the trace, the blocks that it leaves are freed, as at the end of the program. Only then
 * any lane begins again. Returns DONE after the last replay. */
static enum workload_outcome end_loop(struct workload_lane *lane, struct replay_lane *state, bool *is_over)
{
    *is_over = true;
    if (state->loops_left == 1) {
        workload_checkpoint(lane); /* publishes the count of the last operations */
        return WORKLOAD_DONE;
    }
    if (!meet(lane, state))
        return WORKLOAD_DONE;
    state->loops_left -= state->loops_left != 0;
    clear_slots(lane);
    atomic_store_explicit(&state->live_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&replay.starts[lane->index].count, 0, memory_order_relaxed);
    if (!meet(lane, state))
        return WORKLOAD_DONE;
    begin_loop(state);
    *is_over = !enter_segment(lane, state, replay.header.first_segment[lane->index]);
    return *is_over ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

static enum workload_outcome prepare(struct workload_lane *lane)
{
    if (!replay.is_open || lane->lane_count != replay.header.lane_count) {
        workload_fail(lane, replay.is_open ? "the plan has another number of lanes" : "it needs a plan: --trace-plan");
        return WORKLOAD_FAILED;
    }
    struct replay_lane *state = workload_map(lane, sizeof *state);
    if (state == NULL)
        return WORKLOAD_FAILED;
    lane->state = state;
    state->speed_percent = (uint32_t)lane->parameters[SPEED];
    state->touch = (uint32_t)lane->parameters[TOUCH];
    state->loops_left = (uint32_t)lane->parameters[LOOPS];
    atomic_fetch_add_explicit(&replay.own_bytes, sizeof *state, memory_order_relaxed);
    atomic_store_explicit(&replay.lanes[lane->index], state, memory_order_release);
    if (!enter_segment(lane, state, replay.header.first_segment[lane->index]))
        return WORKLOAD_FAILED;
    return WORKLOAD_DONE;
}

/* Does the rest of the segment. At the segment's end it returns DONE and leaves *is_over false. */
static inline enum workload_outcome run_segment(struct workload_lane *lane, struct replay_lane *state, bool *is_over)
{
    const struct replay_operation *operations = state->segment.operations;
    uint32_t count = state->segment.count;
    *is_over = true;
    while (state->at < count) {
        const struct replay_operation *operation = &operations[state->at++];
        __builtin_prefetch(&replay.slots[operation[PREFETCH_OPERATIONS].slot], 1);
        if (operation->delta_us != 0) {
            state->recorded_us += operation->delta_us;
            atomic_store_explicit(&state->position_us, state->recorded_us, memory_order_relaxed);
            if (state->speed_percent != 0 && !await_time(lane, state))
                return WORKLOAD_DONE;
        }
        if (operation->kind < REPLAY_EVENT_KINDS) {
            if (!do_event(lane, state, operation))
                return WORKLOAD_FAILED;
            if (!workload_continue(lane))
                return WORKLOAD_DONE;
        } else if (operation->kind == REPLAY_HAND_OVER) {
            return WORKLOAD_HAND_OVER;
        } else if (!do_order(lane, state, operation)) {
            return WORKLOAD_DONE;
        }
    }
    *is_over = false;
    return WORKLOAD_DONE;
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct replay_lane *state = lane->state;
    bool is_over = false;
    if (state->first_us == 0)
        begin_loop(state);
    for (;;) {
        enum workload_outcome outcome = run_segment(lane, state, &is_over);
        if (is_over)
            return outcome;
        if (state->segment.next != REPLAY_NO_SEGMENT) {
            if (!enter_segment(lane, state, state->segment.next))
                return WORKLOAD_FAILED;
            continue;
        }
        outcome = end_loop(lane, state, &is_over);
        if (is_over)
            return outcome;
    }
}

/* All lanes have ended, so no other lane accesses a slot. */
static void finish(struct workload_lane *lane)
{
    clear_slots(lane);
}

/* --- functions that the session calls --------------------------------------------------------------- */

static uint64_t count_operations(const double *values)
{
    return replay.header.event_count * (uint64_t)values[LOOPS];
}

static void measure(struct workload_measurement *measurement)
{
    memset(measurement, 0, sizeof *measurement);
    measurement->own_bytes = atomic_load_explicit(&replay.own_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < replay.header.lane_count; i++) {
        const struct replay_lane *state = atomic_load_explicit(&replay.lanes[i], memory_order_acquire);
        if (state == NULL)
            continue;
        uint64_t position_ms = atomic_load_explicit(&state->position_us, memory_order_relaxed) / 1000;
        measurement->live_bytes += atomic_load_explicit(&state->live_bytes, memory_order_relaxed);
        if (position_ms > measurement->position_ms)
            measurement->position_ms = position_ms;
    }
    if ((int64_t)measurement->live_bytes < 0) /* possible because lanes are read one after the other */
        measurement->live_bytes = 0;
}

static const struct workload_script script = {.count_operations = count_operations, .measure = measure};

const struct workload workload_replay = {
    .name = "replay",
    .help = "A real program's allocations again, in the order its threads made them; speed 100 is as recorded.",
    .stresses = "Whatever the program did: its sizes, lifetimes, threads and phases.",
    .operation = "one allocation, reallocation or free of the trace",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 1,
    .checkpoint_operations = 512,
    .script = &script,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
