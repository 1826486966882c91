/* replay_plan.c: reads a replay plan and checks everything before use. It uses pread into
 * memory of its own, so that checked data cannot change, a file that was cut short is an error and not a
 * SIGBUS, and a plan larger than memory needs only one segment for each lane. */
#include "replay_plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_fully(int descriptor, void *into, size_t bytes, uint64_t offset)
{
    char *at = into;
    while (bytes != 0) {
        ssize_t got = pread(descriptor, at, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        bytes -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

static const char *find_fault(int descriptor, struct replay_header *header)
{
    struct stat status;
    if (!read_fully(descriptor, header, sizeof *header, 0) || header->magic != REPLAY_MAGIC)
        return "it is no replay plan";
    if (header->version != REPLAY_VERSION)
        return "it is of another version";
    if (header->checksum != replay_sum(header, offsetof(struct replay_header, checksum)))
        return "its header is damaged";
    if (header->lane_count == 0 || header->lane_count > REPLAY_MAX_LANES || header->slot_count > REPLAY_MAX_SLOTS ||
        header->segment_count < header->lane_count ||
        header->segment_count >= UINT64_MAX / REPLAY_SEGMENT_BYTES / 2 ||
        header->file_bytes != (header->segment_count + 1) * REPLAY_SEGMENT_BYTES ||
        memchr(header->trace_checksum, '\0', sizeof header->trace_checksum) == NULL)
        return "its header contradicts itself";
    if (fstat(descriptor, &status) != 0 || (uint64_t)status.st_size != header->file_bytes)
        return "its length is not what its header says";
    return NULL;
}

int replay_read_header(int descriptor, struct replay_header *header, char *error)
{
    const char *fault = find_fault(descriptor, header);
    if (fault != NULL)
        snprintf(error, REPLAY_ERROR_BYTES, "%s", fault);
    return fault == NULL ? 0 : -1;
}

static bool has_sound_sum(const struct replay_segment *segment)
{
    return segment->checksum == replay_sum(&segment->next, sizeof *segment - offsetof(struct replay_segment, next));
}

int replay_check_plan(int descriptor, char *error)
{
    struct replay_header header;
    struct replay_segment *segment = malloc(sizeof *segment);
    int outcome = segment == NULL ? -1 : replay_read_header(descriptor, &header, error);
    for (uint64_t i = 1; outcome == 0 && i <= header.segment_count; i++)
        if (!read_fully(descriptor, segment, sizeof *segment, i * REPLAY_SEGMENT_BYTES) || !has_sound_sum(segment)) {
            snprintf(error, REPLAY_ERROR_BYTES, "segment %llu is damaged", (unsigned long long)i - 1);
            outcome = -1;
        }
    free(segment);
    return outcome;
}

/* The loop has no branch, because it runs for every operation of a replay. */
static bool has_sound_operations(const struct replay_header *header, const struct replay_segment *segment)
{
    uint32_t highest_slot = 0, highest_lane = 0, highest_kind = 0, highest_alignment = 0;
    for (uint32_t i = 0; i < segment->count; i++) {
        const struct replay_operation *operation = &segment->operations[i];
        uint32_t kind = operation->kind;
        uint32_t slot = kind <= REPLAY_AWAIT_SLOT ? operation->slot : 0;
        uint32_t lane = kind == REPLAY_AWAIT_START || kind == REPLAY_SIGNAL_START ? operation->slot : 0;
        highest_kind = kind > highest_kind ? kind : highest_kind;
        highest_slot = slot > highest_slot ? slot : highest_slot;
        highest_lane = lane > highest_lane ? lane : highest_lane;
        highest_alignment = operation->alignment_log2 > highest_alignment ? operation->alignment_log2
                                                                          : highest_alignment;
    }
    return highest_kind < REPLAY_KINDS && (highest_slot == 0 || highest_slot < header->slot_count) &&
           highest_lane < header->lane_count && highest_alignment <= REPLAY_MAX_ALIGNMENT_LOG2;
}

const char *replay_read_segment(int descriptor, const struct replay_header *header, uint64_t index, uint32_t lane,
                                struct replay_segment *segment)
{
    if (index >= header->segment_count)
        return "a segment is named that is not there";
    if (!read_fully(descriptor, segment, sizeof *segment, (index + 1) * REPLAY_SEGMENT_BYTES))
        return "a segment cannot be read";
    if (!has_sound_sum(segment))
        return "a segment does not match its checksum";
    if (segment->lane != lane || segment->count > REPLAY_SEGMENT_OPERATIONS ||
        (segment->next != REPLAY_NO_SEGMENT && segment->next <= index) || !has_sound_operations(header, segment))
        return "a segment contradicts the header";
    return NULL;
}
