/* reader_samples.c: reads a table of sampled allocations (hak_samples.h). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include <stddef.h>

static uint64_t slot_offset(const struct hak_reader *reader, uint32_t slot)
{
    return reader->header.section[HAK_SECTION_DATA].offset + HAK_SAMPLES_HEAD_BYTES + (uint64_t)slot * HAK_SAMPLE_SLOT_BYTES;
}

static int check_table(const struct hak_reader *reader, const struct hak_samples *head, char *error)
{
    const struct hak_section_entry *data = &reader->header.section[HAK_SECTION_DATA];
    uint64_t bytes = HAK_SAMPLES_HEAD_BYTES + (uint64_t)HAK_SAMPLE_SLOTS * HAK_SAMPLE_SLOT_BYTES;
    if (head->slots == HAK_SAMPLE_SLOTS && head->slot_bytes == HAK_SAMPLE_SLOT_BYTES && head->used <= HAK_SAMPLE_SLOTS &&
        (uint64_t)data->count * data->stride >= bytes)
        return HAK_OK;
    return reader_fail(error, HAK_ERROR_DAMAGED, "the samples of process %u are damaged, or of another version",
                       reader->header.pid);
}

/* Returns 1 if the slot was copied whole, 0 if it is empty or changed meanwhile, or a negative error. */
static int copy_slot(struct hak_reader *reader, uint32_t slot, struct hak_sample *out, char *error)
{
    uint64_t before, after, offset = slot_offset(reader, slot);
    int code = reader_read(reader, &before, sizeof before, offset, error);
    if (code == HAK_OK && (before == 0 || before % 2 == 1))
        return 0;
    if (code == HAK_OK)
        code = reader_read(reader, out, sizeof *out, offset, error);
    if (code == HAK_OK)
        code = reader_read(reader, &after, sizeof after, offset, error);
    if (code != HAK_OK)
        return code;
    if (out->stack_bytes > HAK_SAMPLE_STACK_BYTES)
        out->stack_bytes = HAK_SAMPLE_STACK_BYTES;
    return before == after;
}

int64_t hak_reader_samples(struct hak_reader *reader, struct hak_samples *head, void *samples, uint32_t capacity, char *error)
{
    int64_t count = 0;
    int code = reader_read(reader, head, sizeof *head, reader->header.section[HAK_SECTION_DATA].offset, error);
    if (code == HAK_OK)
        code = check_table(reader, head, error);
    for (uint32_t slot = 0; code >= 0 && slot < head->used && count < capacity; slot++) {
        code = copy_slot(reader, slot, (struct hak_sample *)samples + count, error);
        count += code > 0;
    }
    return code < 0 ? code : count;
}
