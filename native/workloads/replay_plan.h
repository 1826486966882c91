/* replay_plan.h: a replay plan, the form of a recorded trace that the replayer reads. replay_compile.c writes
 * it, and replay.c reads it. It is a cache on the machine that made it and is never exchanged. So it has
 * native byte order, and a plan of another version is compiled again from its trace.
 *
 *   offset 0        struct replay_header
 *   segment[k]      struct replay_segment, at REPLAY_SEGMENT_BYTES * (k + 1)
 *
 * A lane is the work of one thread of the replay: the operations of several threads of the trace, one after
 * the other, that did not live at the same time. The header has the number of each lane's first segment, and each
 * segment that of the next one of its lane. The compiler appends segments as they fill, so the file is
 * written and read from front to back, with one buffer for each lane, however long the trace is.
 *
 * While an object is allocated, it has a slot in a table. A slot counts its operations, so it is occupied if the count
 * is odd. A lane that uses a slot that another lane used last first waits for the slot's count
 * (REPLAY_AWAIT_SLOT), unless it has already waited for a later operation of that lane. So no free comes before its
 * malloc, and no malloc before the free that empties its slot. Within a lane, the order of operations is enough. */
#ifndef HAK_REPLAY_PLAN_H
#define HAK_REPLAY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_MAGIC UINT64_C(0x314e414c504b4148) /* "HAKPLAN1" */
#define REPLAY_VERSION 2u
#define REPLAY_SEGMENT_BYTES 65536u
#define REPLAY_SEGMENT_OPERATIONS 4092u
#define REPLAY_NO_SEGMENT UINT64_MAX
#define REPLAY_MAX_LANES 256u
#define REPLAY_MAX_SLOTS (UINT32_C(1) << 30)
#define REPLAY_MAX_ALIGNMENT_LOG2 30u
#define REPLAY_CHECKSUM_BYTES 80u /* for the trace's checksum as text */

enum replay_kind {
    /* Events of the trace. `size` is in bytes. */
    REPLAY_MALLOC,
    REPLAY_CALLOC,
    REPLAY_ALIGNED,
    REPLAY_REALLOC,
    REPLAY_FREE,
    REPLAY_EVENT_KINDS,
    /* Operations that keep the events in order. */
    REPLAY_AWAIT_SLOT = REPLAY_EVENT_KINDS, /* waits until the slot's count is `size` */
    REPLAY_AWAIT_START, /* waits until lane `slot` was told `size` times that a thread starts */
    REPLAY_SIGNAL_START, /* tells lane `slot` that a thread starts */
    REPLAY_HAND_OVER,    /* the thread ends here, and a new one goes on */
    REPLAY_GAP,          /* `size` microseconds without an event, which are too many for delta_us */
    REPLAY_KINDS
};

struct replay_operation {
    uint32_t slot;
    uint16_t delta_us; /* recorded time since the operation before in the lane */
    uint8_t kind, alignment_log2;
    uint64_t size;
};

struct replay_header {
    uint64_t magic;
    uint32_t version, lane_count;
    uint64_t segment_count, file_bytes;
    uint64_t event_count; /* number of operations of kind < REPLAY_EVENT_KINDS */
    uint64_t slot_count, duration_us;
    uint64_t skipped_frees; /* frees of objects whose allocation is not in the trace */
    char trace_checksum[REPLAY_CHECKSUM_BYTES];
    uint64_t first_segment[REPLAY_MAX_LANES]; /* number of each lane's first segment */
    uint64_t checksum; /* of all members before */
};

struct replay_segment {
    uint64_t checksum; /* of all members below */
    uint64_t next;     /* number of the lane's next segment, or REPLAY_NO_SEGMENT */
    uint32_t lane, count;
    uint64_t padding[5];
    struct replay_operation operations[REPLAY_SEGMENT_OPERATIONS];
};

_Static_assert(sizeof(struct replay_operation) == 16, "operations are fixed");
_Static_assert(sizeof(struct replay_segment) == REPLAY_SEGMENT_BYTES, "a segment is whole pages");

/* A checksum against a faulty disk and an interrupted writer, not against malice. `bytes` is a
 * multiple of 8. There are four sums, so that the multiplications overlap. */
static inline uint64_t replay_sum(const void *data, size_t bytes)
{
    const uint64_t *words = data;
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t a = 1, b = 2, c = 3, d = 4;
    size_t count = bytes / sizeof *words, i = 0;
    for (; i + 4 <= count; i += 4) {
        a = (a ^ words[i]) * factor;
        b = (b ^ words[i + 1]) * factor;
        c = (c ^ words[i + 2]) * factor;
        d = (d ^ words[i + 3]) * factor;
    }
    for (; i < count; i++)
        a = (a ^ words[i]) * factor;
    a ^= a >> 29;
    b = (b ^ (b >> 31)) * factor;
    c = (c ^ (c >> 30)) * factor + b;
    d = (d ^ (d >> 28)) * factor + c;
    return (a ^ d) * factor ^ (d >> 32);
}

#define REPLAY_ERROR_BYTES 256u

/* Reads and checks the header. Returns 0, or -1 with one line in `error` (REPLAY_ERROR_BYTES). */
int replay_read_header(int descriptor, struct replay_header *header, char *error);

/* Reads the whole plan and compares all checksums. Returns 0, or -1 with one line in `error`. */
int replay_check_plan(int descriptor, char *error);

/* Reads segment `index` of `lane` and checks its checksum, its lane, and that every operation has a
 * known kind and existing slots and lanes. Returns NULL, or a text that says what is wrong. */
const char *replay_read_segment(int descriptor, const struct replay_header *header, uint64_t index, uint32_t lane,
                                struct replay_segment *segment);

#endif
