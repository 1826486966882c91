/* reader.h: shared by the parts of the reader. reader.c opens a control block and reads its descriptors, reader_data.c
 * reads the sections that change, and reader_set.c sets tunables. */
#ifndef HAK_BLOCK_READER_H
#define HAK_BLOCK_READER_H

#include "hak_reader.h"
#include <stdatomic.h>

enum { READER_MOST_DESCRIPTORS = 4096 };

/* Writes one line of text to `error`, unless that is NULL, and returns `code`. */
int reader_fail(char *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reads exactly `bytes` at `offset` of the file. Returns HAK_ERROR_DAMAGED if the file has become shorter. */
int reader_read(struct hak_reader *reader, void *target, uint64_t bytes, uint64_t offset, char *error);

/* Wakes a publisher that measures on demand. Returns whether it was asleep. */
int reader_wake(const struct hak_reader *reader);

/* Checks a metric descriptor after it was read, and terminates its strings. `index` names it in the error. */
int reader_check_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *metric, char *error);

#endif
