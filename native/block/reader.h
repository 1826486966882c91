/* reader.h: shared by the parts of the reader. reader.c opens a control block and reads its descriptors, reader_data.c
 * reads the sections that change, reader_samples.c tables of samples, reader_set.c sets tunables, and reader_lease.c holds leases. */
#ifndef HAK_BLOCK_READER_H
#define HAK_BLOCK_READER_H

#include "hak_reader.h"
#include <stdatomic.h>

enum { READER_MOST_DESCRIPTORS = 4096, READER_START_GENERATION = 1 }; /* until it ends, nobody has set anything */

/* Writes one line of text to `error`, unless that is NULL, and returns `code`. */
int reader_fail(char *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reads exactly `bytes` at `offset` of the file. Returns HAK_ERROR_DAMAGED if the file has become shorter. */
int reader_read(struct hak_reader *reader, void *target, uint64_t bytes, uint64_t offset, char *error);

/* Wakes a publisher that measures on demand. Returns whether it was asleep. */
int reader_wake(const struct hak_reader *reader);

/* For setters, reader_set.c. Between the first two, nobody else sets. Returns an error if it cannot be set. */
int reader_lock(struct hak_reader *reader, char *error);
void reader_unlock(struct hak_reader *reader);
int reader_write(struct hak_reader *reader, const void *source, size_t bytes, uint64_t offset, char *error);
/* Writes all requested values as those of the generation `next`, which follows the current one. */
int reader_publish(struct hak_reader *reader, const double *values, uint64_t next, char *error);

/* Of a publisher that measures on demand: puts effective values into `current`, which are those `requested` last. */
int reader_take_effective(struct hak_reader *reader, double *current, uint64_t requested, char *error);

/* Leases, reader_lease.c. After a lapsed lease: puts the values to go back to into requested `values`. */
int reader_give_back(struct hak_reader *reader, double *values, char *error);
/* Under a lease: makes of `values` what they would be if it lapsed now. */
int reader_foresee(struct hak_reader *reader, double *values, char *error);
/* By a setter that has locked: after a lapsed lease writes the values to go back to, and ends the lease. If the lapsed lease
 * is the reader's own, it fails instead: what the holder sets then would stay if the holder died. */
int reader_begin_set(struct hak_reader *reader, char *error);

/* Checks a metric descriptor after it was read, and terminates its strings. `index` names it in the error. */
int reader_check_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *metric, char *error);

#endif
