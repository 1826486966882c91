/* replay_plan.h: a replay plan, the form of a recorded trace that the replayer reads: written by
 * replay_compile.c, read by replay.c. It is a cache on the machine that made it, never exchanged:
 * native byte order, and a plan of another version is compiled again from its trace.
 *
 *   offset 0        struct replay_header
 *   segment[k]      struct replay_segment, at REPLAY_SEGMENT_BYTES * (k + 1)
 *
 * A lane is what one thread of the replay works through: the operations of one thread of the trace
 * after another, of threads that did not live at the same time. The header names each lane's first
 * segment, every segment the next one of its lane. A compiler appends segments as they fill, so the file is
 * written and read from front to back, with one buffer a lane, however long the trace is.
 *
 * An object lives in a slot of one table while it is allocated. A slot counts its operations: an odd
 * count is occupied. Whoever works on a slot which another lane touched last waits for that count
 * first (REPLAY_AWAIT_SLOT), unless it waited for a later one of that lane already, so that neither a free runs ahead of its malloc, nor the next malloc
 * ahead of the free that empties its slot. Within a lane the order of its operations is enough. */
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
#define REPLAY_CHECKSUM_BYTES 80u /* of the trace, as text */

enum replay_kind {
    /* Events of the trace. `size` in bytes. */
    REPLAY_MALLOC,
    REPLAY_CALLOC,
    REPLAY_ALIGNED,
    REPLAY_REALLOC,
    REPLAY_FREE,
    REPLAY_EVENT_KINDS,
    /* What keeps them in order. */
    REPLAY_AWAIT_SLOT = REPLAY_EVENT_KINDS, /* until slot's count is `size` */
    REPLAY_AWAIT_START, /* until lane `slot` was told `size` times that a thread starts */
    REPLAY_SIGNAL_START, /* tells lane `slot` so */
    REPLAY_HAND_OVER,    /* the thread ends here, a new one goes on */
    REPLAY_GAP,          /* `size` microseconds without an event, too many for delta_us */
    REPLAY_KINDS
};

struct replay_operation {
    uint32_t slot;
    uint16_t delta_us; /* since the operation before in the lane, as recorded */
    uint8_t kind, alignment_log2;
    uint64_t size;
};

struct replay_header {
    uint64_t magic;
    uint32_t version, lane_count;
    uint64_t segment_count, file_bytes;
    uint64_t event_count; /* operations of kind < REPLAY_EVENT_KINDS */
    uint64_t slot_count, duration_us;
    uint64_t skipped_frees; /* of objects the trace never saw allocated */
    char trace_checksum[REPLAY_CHECKSUM_BYTES];
    uint64_t first_segment[REPLAY_MAX_LANES]; /* of every lane */
    uint64_t checksum; /* of all before */
};

struct replay_segment {
    uint64_t checksum; /* of all that follows */
    uint64_t next;     /* segment, or REPLAY_NO_SEGMENT */
    uint32_t lane, count;
    uint64_t padding[5];
    struct replay_operation operations[REPLAY_SEGMENT_OPERATIONS];
};

_Static_assert(sizeof(struct replay_operation) == 16, "operations are fixed");
_Static_assert(sizeof(struct replay_segment) == REPLAY_SEGMENT_BYTES, "a segment is whole pages");

/* Not against malice: against a disk that lies and a writer that was interrupted. `bytes` is a
 * multiple of 8. Four sums, so that the multiplications overlap. */
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

/* Reads and checks the header; 0, or -1 with one line in `error` (REPLAY_ERROR_BYTES). */
int replay_read_header(int descriptor, struct replay_header *header, char *error);

/* Reads the whole plan and compares all checksums. 0, or -1 with one line in `error`. */
int replay_check_plan(int descriptor, char *error);

/* Reads segment `index` of `lane` and checks it: its checksum, its lane, and that every operation is of
 * a known kind, on slots and lanes there are. NULL, or what is wrong. */
const char *replay_read_segment(int descriptor, const struct replay_header *header, uint64_t index, uint32_t lane,
                                struct replay_segment *segment);

#endif
