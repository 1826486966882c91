/* reader.h: what the parts of the reader share. reader.c opens and describes, reader_data.c
 * reads what changes, reader_set.c sets. */
#ifndef HAK_BLOCK_READER_H
#define HAK_BLOCK_READER_H

#include "hak_reader.h"
#include <stdatomic.h>

enum { READER_MOST_DESCRIPTORS = 4096 };

/* Writes one line of text and returns `code`. `error` may be NULL. */
int reader_fail(char *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reads exactly `bytes` at `offset` of the file; HAK_ERROR_DAMAGED if it has become shorter. */
int reader_read(struct hak_reader *reader, void *target, uint64_t bytes, uint64_t offset, char *error);

/* Wakes a publisher that measures on demand. Returns whether it was asleep. */
int reader_wake(const struct hak_reader *reader);

/* Checks a metric descriptor that was just read, in place; index names it in the error. */
int reader_check_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *metric, char *error);

#endif
