/* replay_compile.c: assigns lanes, slots and waits in one pass over the events; see replay_plan.h. */
#include "replay_compile.h"
#include "replay_table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Lanes get so many slots at a time (1 KiB of the table), so that they do not share cache lines. */
#define SLOT_BLOCK 64u
#define NO_LANE UINT16_MAX

/* A slot that another lane emptied is only used again once so many emptied slots, or so many bytes, are queued: otherwise
 * a lane would wait for the other at every allocation. The limits also bound how far one lane may be ahead of another,
 * and thereby the memory that is live in a replay but was not in the program. */
#define FOREIGN_SLOTS 4096u
#define FOREIGN_BYTES (UINT64_C(1) << 20)

struct slot {
    uint32_t sequence;         /* number of operations so far */
    uint32_t next_free;        /* next slot of the list + 1, while the slot is in a list of its lane */
    uint16_t owner, last_lane; /* the lane to whose list it goes back, and the lane that used it last */
    uint64_t last_position;    /* position of the last use in that lane */
    uint64_t bytes;            /* size of the block that it holds or held last */
};

struct lane {
    struct replay_segment *segment;
    uint64_t segment_index;
    uint32_t first_free; /* slot + 1; a stack of slots that the lane emptied itself */
    uint32_t first_foreign, last_foreign, foreign_count; /* a queue of its slots that other lanes emptied */
    uint64_t foreign_bytes;
    uint64_t position;                 /* number of events so far */
    uint64_t seen[REPLAY_MAX_LANES]; /* the position that each other lane is known to have reached */
    uint32_t starts;     /* number of signals to it so far */
    int64_t time_us;
    bool is_taken; /* a live thread has the lane */
};

struct replay_compiler {
    int descriptor;
    struct replay_header header;
    struct lane lanes[REPLAY_MAX_LANES];
    struct replay_table objects;
    struct slot *slots;
    uint64_t slot_capacity;
    uint16_t *lane_of_thread;
    uint64_t thread_capacity;
    uint16_t last_lane; /* lane of the event before */
    char *error;
};

static int refuse(struct replay_compiler *compiler, const char *what)
{
    snprintf(compiler->error, REPLAY_ERROR_BYTES, "%s", what);
    return -1;
}

static int refuse_system(struct replay_compiler *compiler, const char *what)
{
    snprintf(compiler->error, REPLAY_ERROR_BYTES, "%s: %s", what, strerror(errno));
    return -1;
}

static int write_fully(struct replay_compiler *compiler, const void *from, size_t bytes, uint64_t offset)
{
    const char *at = from;
    while (bytes != 0) {
        ssize_t written = pwrite(compiler->descriptor, at, bytes, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return refuse_system(compiler, "the plan cannot be written");
        at += written;
        bytes -= (size_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}

/* --- lanes ------------------------------------------------------------------------------------------ */

static int flush_segment(struct replay_compiler *compiler, struct lane *lane, uint64_t next)
{
    struct replay_segment *segment = lane->segment;
    segment->next = next;
    memset(&segment->operations[segment->count], 0,
           (REPLAY_SEGMENT_OPERATIONS - segment->count) * sizeof(struct replay_operation));
    segment->checksum = replay_sum(&segment->next, sizeof *segment - offsetof(struct replay_segment, next));
    int outcome = write_fully(compiler, segment, sizeof *segment, (lane->segment_index + 1) * REPLAY_SEGMENT_BYTES);
    lane->segment_index = next;
    segment->count = 0;
    return outcome;
}

static int append(struct replay_compiler *compiler, uint16_t index, struct replay_operation operation)
{
    struct lane *lane = &compiler->lanes[index];
    if (lane->segment->count == REPLAY_SEGMENT_OPERATIONS &&
        flush_segment(compiler, lane, compiler->header.segment_count++) != 0)
        return -1;
    lane->segment->operations[lane->segment->count++] = operation;
    return 0;
}

static int open_lane(struct replay_compiler *compiler, uint16_t index)
{
    struct lane *lane = &compiler->lanes[index];
    lane->segment = calloc(1, sizeof *lane->segment);
    if (lane->segment == NULL)
        return refuse(compiler, "out of memory");
    lane->segment->lane = index;
    lane->segment_index = compiler->header.segment_count++;
    compiler->header.first_segment[index] = lane->segment_index;
    compiler->header.lane_count++;
    return 0;
}

/* Brings the lane's clock to `time_us`. A time that is too long for the next operation's delta becomes a REPLAY_GAP. */
static int advance_clock(struct replay_compiler *compiler, uint16_t index, int64_t time_us, uint16_t *delta_us)
{
    struct lane *lane = &compiler->lanes[index];
    int64_t passed_us = time_us - lane->time_us;
    *delta_us = 0;
    if (passed_us <= 0)
        return 0;
    lane->time_us = time_us;
    if (passed_us <= UINT16_MAX) {
        *delta_us = (uint16_t)passed_us;
        return 0;
    }
    return append(compiler, index, (struct replay_operation){.kind = REPLAY_GAP, .size = (uint64_t)passed_us});
}

/* A thread must not begin before the event that precedes its start, which usually is its creator's last. */
static int await_start(struct replay_compiler *compiler, uint16_t index)
{
    if (compiler->last_lane == NO_LANE || compiler->last_lane == index)
        return 0;
    struct replay_operation signal = {.kind = REPLAY_SIGNAL_START, .slot = index};
    struct replay_operation wait = {
        .kind = REPLAY_AWAIT_START, .slot = index, .size = ++compiler->lanes[index].starts};
    return append(compiler, compiler->last_lane, signal) != 0 || append(compiler, index, wait) != 0 ? -1 : 0;
}

static int reserve_threads(struct replay_compiler *compiler, uint32_t thread)
{
    if (thread < compiler->thread_capacity)
        return 0;
    uint64_t capacity = (uint64_t)thread * 2 + 64;
    uint16_t *larger = realloc(compiler->lane_of_thread, capacity * sizeof *larger);
    if (larger == NULL)
        return refuse(compiler, "out of memory");
    for (uint64_t i = compiler->thread_capacity; i < capacity; i++)
        larger[i] = NO_LANE;
    compiler->lane_of_thread = larger;
    compiler->thread_capacity = capacity;
    return 0;
}

static int start_thread(struct replay_compiler *compiler, uint32_t thread)
{
    uint16_t index = 0;
    while (index < REPLAY_MAX_LANES && compiler->lanes[index].is_taken)
        index++;
    if (index == REPLAY_MAX_LANES) {
        snprintf(compiler->error, REPLAY_ERROR_BYTES,
                 "more than %u threads of the trace live at the same time, the most that can be replayed",
                 REPLAY_MAX_LANES);
        return -1;
    }
    struct lane *lane = &compiler->lanes[index];
    if (lane->segment == NULL && open_lane(compiler, index) != 0)
        return -1;
    lane->is_taken = true;
    compiler->lane_of_thread[thread] = index;
    return await_start(compiler, index);
}

/* Hands the lane over at the thread's end, so that the thread ends now and not when the lane's next thread begins. */
static int end_thread(struct replay_compiler *compiler, uint32_t thread, uint16_t delta_us)
{
    uint16_t index = compiler->lane_of_thread[thread];
    compiler->lane_of_thread[thread] = NO_LANE;
    compiler->lanes[index].is_taken = false;
    return append(compiler, index, (struct replay_operation){.kind = REPLAY_HAND_OVER, .delta_us = delta_us});
}

/* --- slots ------------------------------------------------------------------------------------------ */

static int add_slots(struct replay_compiler *compiler, uint16_t lane)
{
    uint64_t first = compiler->header.slot_count;
    if (first + SLOT_BLOCK > REPLAY_MAX_SLOTS)
        return refuse(compiler, "more objects of the trace live at the same time than can be replayed");
    if (first + SLOT_BLOCK > compiler->slot_capacity) {
        uint64_t capacity = compiler->slot_capacity * 2 + 4096;
        struct slot *larger = realloc(compiler->slots, capacity * sizeof *larger);
        if (larger == NULL)
            return refuse(compiler, "out of memory");
        compiler->slots = larger;
        compiler->slot_capacity = capacity;
    }
    for (uint32_t i = SLOT_BLOCK; i-- > 0;) { /* so that the lowest slot is taken first */
        compiler->slots[first + i] =
            (struct slot){.owner = lane, .last_lane = lane, .next_free = compiler->lanes[lane].first_free};
        compiler->lanes[lane].first_free = (uint32_t)(first + i) + 1;
    }
    compiler->header.slot_count += SLOT_BLOCK;
    return 0;
}

static void give_back(struct replay_compiler *compiler, uint32_t index, uint16_t by)
{
    struct slot *slot = &compiler->slots[index];
    struct lane *lane = &compiler->lanes[slot->owner];
    if (slot->owner == by) {
        slot->next_free = lane->first_free;
        lane->first_free = index + 1;
        return;
    }
    slot->next_free = 0;
    if (lane->foreign_count++ == 0)
        lane->first_foreign = index + 1;
    else
        compiler->slots[lane->last_foreign - 1].next_free = index + 1;
    lane->last_foreign = index + 1;
    lane->foreign_bytes += slot->bytes;
}

/* Takes an empty slot for the lane and stores its number in *index. */
static int take_slot(struct replay_compiler *compiler, uint16_t by, uint32_t *index)
{
    struct lane *lane = &compiler->lanes[by];
    if (lane->foreign_count > FOREIGN_SLOTS || lane->foreign_bytes > FOREIGN_BYTES) {
        *index = lane->first_foreign - 1;
        lane->first_foreign = compiler->slots[*index].next_free;
        lane->foreign_count--;
        lane->foreign_bytes -= compiler->slots[*index].bytes;
        return 0;
    }
    if (lane->first_free == 0 && add_slots(compiler, by) != 0)
        return -1;
    *index = lane->first_free - 1;
    lane->first_free = compiler->slots[*index].next_free;
    return 0;
}

/* Appends an event on a slot. Before it comes a wait if another lane used the slot last and is not yet known to have
 * done so: once a lane has waited for another, it knows that the other has done all its earlier operations, too. */
static int append_event(struct replay_compiler *compiler, uint16_t lane, struct replay_operation operation)
{
    struct slot *slot = &compiler->slots[operation.slot];
    uint64_t *seen = &compiler->lanes[lane].seen[slot->last_lane];
    if (slot->last_lane != lane && *seen < slot->last_position) {
        struct replay_operation wait = {.kind = REPLAY_AWAIT_SLOT, .slot = operation.slot, .size = slot->sequence};
        if (append(compiler, lane, wait) != 0)
            return -1;
        *seen = slot->last_position;
    }
    slot->last_lane = lane;
    slot->last_position = ++compiler->lanes[lane].position;
    if (operation.kind != REPLAY_FREE)
        slot->bytes = operation.size;
    slot->sequence += operation.kind == REPLAY_REALLOC ? 2 : 1;
    compiler->header.event_count++;
    return append(compiler, lane, operation);
}

static int allocate(struct replay_compiler *compiler, uint16_t lane, uint64_t object,
                    struct replay_operation operation)
{
    if (replay_table_find(&compiler->objects, object)->key != 0) {
        snprintf(compiler->error, REPLAY_ERROR_BYTES, "object %llu is allocated while it lives",
                 (unsigned long long)object);
        return -1;
    }
    if (take_slot(compiler, lane, &operation.slot) != 0)
        return -1;
    if (!replay_table_add(&compiler->objects, object, operation.slot))
        return refuse(compiler, "out of memory");
    return append_event(compiler, lane, operation);
}

static int release(struct replay_compiler *compiler, uint16_t lane, uint64_t object,
                   struct replay_operation operation)
{
    struct replay_table_entry *entry = replay_table_find(&compiler->objects, object);
    if (entry->key == 0) {
        compiler->header.skipped_frees++;
        return 0;
    }
    operation.slot = entry->slot;
    replay_table_remove(&compiler->objects, entry);
    give_back(compiler, operation.slot, lane);
    return append_event(compiler, lane, operation);
}

/* --- events ----------------------------------------------------------------------------------------- */

static int add_object_event(struct replay_compiler *compiler, uint16_t lane, const struct replay_events *events,
                            size_t i, uint16_t delta_us)
{
    struct replay_operation operation = {
        .kind = events->kind[i], .delta_us = delta_us, .size = events->size_bytes[i]};
    uint64_t object = events->object_id[i];
    if (operation.kind == REPLAY_FREE) {
        operation.size = 0;
        return release(compiler, lane, object, operation);
    }
    if (operation.kind == REPLAY_REALLOC) {
        const struct replay_table_entry *entry = replay_table_find(&compiler->objects, object);
        if (entry->key == 0) { /* the object's allocation is not in the trace */
            operation.kind = REPLAY_MALLOC;
            return allocate(compiler, lane, object, operation);
        }
        operation.slot = entry->slot;
        return append_event(compiler, lane, operation);
    }
    if (operation.kind == REPLAY_ALIGNED) {
        uint64_t alignment = events->alignment_bytes[i];
        if (alignment < sizeof(void *))
            alignment = sizeof(void *);
        if ((alignment & (alignment - 1)) != 0 || alignment >> REPLAY_MAX_ALIGNMENT_LOG2 > 1)
            return refuse(compiler, "an alignment is no power of two, or above 1 GiB");
        operation.alignment_log2 = (uint8_t)__builtin_ctzll(alignment);
    }
    return allocate(compiler, lane, object, operation);
}

static int add_event(struct replay_compiler *compiler, const struct replay_events *events, size_t i)
{
    uint8_t kind = events->kind[i];
    uint32_t thread = events->thread[i];
    if (kind > TRACE_THREAD_END)
        return refuse(compiler, "an event is of an unknown kind");
    if (reserve_threads(compiler, thread) != 0)
        return -1;
    bool is_known = compiler->lane_of_thread[thread] != NO_LANE;
    if (!is_known && kind == TRACE_THREAD_END)
        return 0;
    if (!is_known && start_thread(compiler, thread) != 0)
        return -1;
    uint16_t lane = compiler->lane_of_thread[thread], delta_us = 0;
    int64_t time_us = events->time_ns[i] / 1000;
    if (time_us > (int64_t)compiler->header.duration_us)
        compiler->header.duration_us = (uint64_t)time_us;
    int outcome = 0;
    if (kind != TRACE_THREAD_START) /* the time counts for the next event */
        outcome = advance_clock(compiler, lane, time_us, &delta_us);
    if (outcome == 0 && kind == TRACE_THREAD_END)
        outcome = end_thread(compiler, thread, delta_us);
    else if (outcome == 0 && kind != TRACE_THREAD_START)
        outcome = add_object_event(compiler, lane, events, i, delta_us);
    compiler->last_lane = lane;
    return outcome;
}

struct replay_compiler *replay_compiler_new(int descriptor)
{
    struct replay_compiler *compiler = calloc(1, sizeof *compiler);
    if (compiler == NULL)
        return NULL;
    compiler->descriptor = descriptor;
    compiler->last_lane = NO_LANE;
    if (!replay_table_init(&compiler->objects)) {
        free(compiler);
        return NULL;
    }
    return compiler;
}

int replay_compiler_add(struct replay_compiler *compiler, const struct replay_events *events, char *error)
{
    compiler->error = error;
    for (size_t i = 0; i < events->count; i++)
        if (add_event(compiler, events, i) != 0)
            return -1;
    return 0;
}

int replay_compiler_finish(struct replay_compiler *compiler, const char *trace_checksum, char *error)
{
    struct replay_header *header = &compiler->header;
    compiler->error = error;
    if (header->event_count == 0)
        return refuse(compiler, "it has no allocation to replay");
    if (strlen(trace_checksum) >= sizeof header->trace_checksum)
        return refuse(compiler, "the trace's checksum is too long");
    for (uint32_t i = 0; i < header->lane_count; i++)
        if (flush_segment(compiler, &compiler->lanes[i], REPLAY_NO_SEGMENT) != 0)
            return -1;
    header->magic = REPLAY_MAGIC;
    header->version = REPLAY_VERSION;
    header->file_bytes = (header->segment_count + 1) * REPLAY_SEGMENT_BYTES;
    strcpy(header->trace_checksum, trace_checksum);
    header->checksum = replay_sum(header, offsetof(struct replay_header, checksum));
    return write_fully(compiler, header, sizeof *header, 0);
}

void replay_compiler_free(struct replay_compiler *compiler)
{
    if (compiler == NULL)
        return;
    for (uint32_t i = 0; i < REPLAY_MAX_LANES; i++)
        free(compiler->lanes[i].segment);
    free(compiler->objects.entries);
    free(compiler->slots);
    free(compiler->lane_of_thread);
    free(compiler);
}
