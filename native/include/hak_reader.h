/* hak_reader.h: opening, describing, reading and setting a control block (hak_block.h) of any
 * process of the same user. Needs no memory allocation; the caller owns every buffer. Nothing in
 * the block is trusted: offsets, counts and strings are checked and copied at open; a bad block is
 * an error, never a wild read. All functions are thread-safe for one reader, except close.
 *
 * Everything is read with pread and written with pwrite, never through a mapping: a file that shrinks
 * meanwhile gives a short read (HAK_ERROR_DAMAGED) instead of SIGBUS, holes stay holes, and each call
 * takes a page reference, a full barrier between the words of one call and those of the next. A set
 * writes the slot that is not in force in one call and the generation, an aligned word, in another.
 *
 * Where the publisher measures on demand, reading effective values or metrics asks it to, and waits until it
 * has, at most a tenth of a second.
 *
 * Return values: 0 or a count on success, else a negative enum hak_error, with one line of text in
 * `error` that names the thing, the value and the remedy. */
#ifndef HAK_READER_H
#define HAK_READER_H

#include "hak_block.h"
#include <pthread.h>
#include <stddef.h>

enum hak_error {
    HAK_OK = 0,
    HAK_ERROR_SYSTEM = -1,      /* open or map failed: errno is in the text */
    HAK_ERROR_NOT_PERMITTED = -2,
    HAK_ERROR_NO_PROCESS = -3,  /* the file is there, the process is not, or has another start time */
    HAK_ERROR_WRONG_ABI = -4,
    HAK_ERROR_DAMAGED = -5,
    HAK_ERROR_UNKNOWN = -6,     /* no such tunable or metric */
    HAK_ERROR_RANGE = -7,
    HAK_ERROR_CONSTRAINT = -8,
    HAK_ERROR_START_ONLY = -9,
    HAK_ERROR_READ_ONLY = -10,
    HAK_ERROR_BUFFER = -11      /* the caller's buffer is too small */
};

#define HAK_ERROR_TEXT_BYTES 512

struct hak_reader {
    int descriptor; /* reads go through it, and the OFD lock of a setter */
    int writable;
    char *futexes; /* the header's page, mapped to name futexes in it and never read here; NULL: refused */
    pthread_mutex_t set_lock; /* between threads, whom one descriptor's OFD lock does not part */
    struct hak_header header; /* checked copy: identity and sections; its atomics are not used */
};

int hak_reader_open(struct hak_reader *reader, const char *path, char *error);
void hak_reader_close(struct hak_reader *reader);

/* HAK_OK while the publisher lives; HAK_ERROR_NO_PROCESS once it exited, died or became another program. */
int hak_reader_alive(struct hak_reader *reader, char *error);

/* Checked copies of the descriptors; strings end within their fields. Indices from 0; HAK_ERROR_UNKNOWN beyond the last. */
int hak_reader_tunable(struct hak_reader *reader, uint32_t index, struct hak_tunable *out, char *error);
int hak_reader_constraint(struct hak_reader *reader, uint32_t index, struct hak_constraint *out, char *error);
int hak_reader_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *out, char *error);
int hak_reader_axis(struct hak_reader *reader, uint32_t index, struct hak_axis *out, char *error);
int hak_reader_axis_item(struct hak_reader *reader, uint32_t index, struct hak_axis_item *out, char *error);
int hak_reader_event_kind(struct hak_reader *reader, uint32_t index, struct hak_event_kind *out, char *error);
int hak_reader_event_cause(struct hak_reader *reader, uint32_t index, struct hak_event_cause *out, char *error);

/* Settings as of one generation (a copy that a concurrent setter cannot tear). `values` has one
 * double a tunable. Returns HAK_OK and the generation. */
int hak_reader_requested(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error);
int hak_reader_effective(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error);

/* Pid of the process that set this generation, if it was the latest; 0 if that is not known. */
int hak_reader_setter(struct hak_reader *reader, uint64_t generation, char *error);

/* Sets `count` tunables as a whole or none. Each value is checked against its descriptor, the whole
 * proposed vector against every constraint. A tunable that is fixed at start may be set to the value
 * it has. The new generation is returned in *generation. */
int hak_reader_set(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                   uint64_t *generation, char *error);
/* Checks values as a set would, changes nothing, and accepts those fixed at start: may a process be
 * started with them, all else as requested now? */
int hak_reader_check(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                     char *error);

/* Reads every stored metric in descriptor order. axis_counts receives the rows in use of each axis;
 * words receives, for each metric that is not derived, count(axis0) * count(axis1) words, row major
 * (axis0 outer). Returns the number of words written, or HAK_ERROR_BUFFER with the need in
 * *words_needed. time_ns: CLOCK_MONOTONIC when read. */
int64_t hak_reader_snapshot(struct hak_reader *reader, uint32_t *axis_counts, uint32_t axis_capacity,
                            uint64_t *words, uint64_t words_capacity, uint64_t *words_needed,
                            uint64_t *time_ns, char *error);

/* Copies events from *cursor (0: the oldest kept) on, at most `capacity`; advances *cursor; adds to
 * *lost the events that were overwritten, or given up by their writers, before they were read. Stops
 * before an event that is still being written. Returns how many were copied. */
int64_t hak_reader_events(struct hak_reader *reader, uint64_t *cursor, struct hak_event *out, uint32_t capacity,
                          uint64_t *lost, char *error);

#endif
