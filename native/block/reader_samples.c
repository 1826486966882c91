/* reader_samples.c: reads a table of sampled allocations (hak_samples.h). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <stddef.h>

static uint64_t table_offset(const struct hak_reader *reader)
{
    return reader->header.section[HAK_SECTION_DATA].offset;
}

static int check_table(const struct hak_reader *reader, const struct hak_samples *head, char *error)
{
    const struct hak_section_entry *data = &reader->header.section[HAK_SECTION_DATA];
    if (head->slots == HAK_SAMPLE_SLOTS && head->slot_bytes == HAK_SAMPLE_SLOT_BYTES && head->used <= HAK_SAMPLE_SLOTS &&
        (uint64_t)data->count * data->stride >= HAK_SAMPLES_BYTES)
        return HAK_OK;
    return reader_fail(error, HAK_ERROR_DAMAGED, "the samples of process %u are damaged, or of another version",
                       reader->header.pid);
}

/* Copies as much of a stack as there is room for. */
static int copy_pieces(struct hak_reader *reader, struct hak_sample *sample, char *stack, uint64_t room, char *error)
{
    uint32_t bytes = sample->stack_bytes;
    if (bytes > HAK_SAMPLE_STACK_BYTES)
        bytes = HAK_SAMPLE_STACK_BYTES;
    if (bytes > room)
        bytes = (uint32_t)room;
    sample->stack_bytes = bytes;
    for (uint32_t at = 0; at < bytes; at += HAK_SAMPLE_PIECE_BYTES) {
        uint32_t piece = sample->pieces[at / HAK_SAMPLE_PIECE_BYTES] % HAK_SAMPLE_PIECES, left = bytes - at;
        int code = reader_read(reader, stack + at, left < HAK_SAMPLE_PIECE_BYTES ? left : HAK_SAMPLE_PIECE_BYTES,
                               table_offset(reader) + HAK_SAMPLES_PIECES_OFFSET + (uint64_t)piece * HAK_SAMPLE_PIECE_BYTES,
                               error);
        if (code != HAK_OK)
            return code;
    }
    return HAK_OK;
}

/* Returns 1 if the sample was copied whole, 0 if the slot is empty or changed meanwhile, or a negative error. */
static int copy_sample(struct hak_reader *reader, uint32_t slot, struct hak_sample *out, char *stack, uint64_t room,
                       char *error)
{
    uint64_t before, after, offset = table_offset(reader) + HAK_SAMPLES_HEAD_BYTES + (uint64_t)slot * HAK_SAMPLE_SLOT_BYTES;
    int code = reader_read(reader, out, sizeof *out, offset, error);
    before = out->sequence;
    if (code == HAK_OK && (before == 0 || before % 2 == 1))
        return 0;
    if (code == HAK_OK)
        code = copy_pieces(reader, out, stack, room, error);
    if (code == HAK_OK)
        code = reader_read(reader, &after, sizeof after, offset, error);
    if (code != HAK_OK)
        return code;
    return before == after;
}

int64_t hak_reader_samples(struct hak_reader *reader, struct hak_samples *head, struct hak_sample *samples, uint32_t capacity,
                           char *stacks, uint64_t stack_capacity, char *error)
{
    int64_t count = 0;
    uint64_t stack_bytes = 0;
    int code = reader_read(reader, head, sizeof *head, table_offset(reader), error);
    if (code == HAK_OK)
        code = check_table(reader, head, error);
    for (uint32_t slot = 0; code >= 0 && slot < head->used && count < capacity; slot++) {
        struct hak_sample *sample = samples + count;
        code = copy_sample(reader, slot, sample, stacks + stack_bytes, stack_capacity - stack_bytes, error);
        stack_bytes += code > 0 ? sample->stack_bytes : 0;
        count += code > 0;
    }
    return code < 0 ? code : count;
}
