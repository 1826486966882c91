/* hak_reader.h: opens, describes, reads and sets a control block (hak_block.h) of any process of the
 * same user. It allocates no memory; the caller owns every buffer. Nothing in the block is
 * trusted: offsets, counts and strings are copied and checked before use, and a bad block is
 * an error, never a wild read. All functions are thread-safe for one reader, except open and close.
 *
 * Everything is read with pread and written with pwrite, never through a mapping: a file that shrinks
 * meanwhile gives a short read (HAK_ERROR_DAMAGED) instead of SIGBUS, holes stay holes, and each call
 * takes a page reference, a full barrier between the words of one call and those of the next. A set
 * writes the slot that is not in force in one call and the generation, an aligned word, in another.
 *
 * If the publisher measures on demand, reading effective values or metrics asks it to measure, and waits for that for at
 * most a tenth of a second.
 *
 * Functions return 0 or a count on success, or else a negative enum hak_error, with one line of text in
 * `error` that names the thing, the value and the remedy. */
#ifndef HAK_READER_H
#define HAK_READER_H

#include "hak_block.h"
#include "hak_samples.h"
#include <pthread.h>
#include <stddef.h>

enum hak_error {
    HAK_OK = 0,
    HAK_ERROR_SYSTEM = -1,      /* a system call failed; the text says which error */
    HAK_ERROR_NOT_PERMITTED = -2,
    HAK_ERROR_NO_PROCESS = -3,  /* the process that published the block has ended or become another program */
    HAK_ERROR_WRONG_ABI = -4,
    HAK_ERROR_DAMAGED = -5,
    HAK_ERROR_UNKNOWN = -6,     /* no such tunable or metric */
    HAK_ERROR_RANGE = -7,
    HAK_ERROR_CONSTRAINT = -8,
    HAK_ERROR_START_ONLY = -9,
    HAK_ERROR_READ_ONLY = -10,
    HAK_ERROR_BUFFER = -11,     /* the caller's buffer is too small */
    HAK_ERROR_LEASED = -12      /* somebody else holds a lease, or the caller's has lapsed */
};

#define HAK_ERROR_TEXT_BYTES 512

struct hak_reader {
    int descriptor; /* used for reads, writes and the OFD lock of a setter */
    int writable;
    char *futexes; /* the header's page, mapped only for its futexes and never read; NULL if it is not mapped */
    pthread_mutex_t set_lock; /* for setters in one process: threads with one descriptor share its OFD lock */
    uint64_t holder; /* names the lease that was taken by this reader, or 0; under the lock of setters */
    struct hak_header header; /* a checked copy of identity and sections; its atomic members are not used */
};

int hak_reader_open(struct hak_reader *reader, const char *path, char *error);
void hak_reader_close(struct hak_reader *reader);

/* Returns HAK_OK while the publisher lives, and HAK_ERROR_NO_PROCESS once it has exited, died or become another program. */
int hak_reader_alive(struct hak_reader *reader, char *error);

/* Copy one descriptor each and check it; strings are terminated within their fields. Indices begin at 0. Return
 * HAK_ERROR_UNKNOWN for an index beyond the last. */
int hak_reader_tunable(struct hak_reader *reader, uint32_t index, struct hak_tunable *out, char *error);
int hak_reader_constraint(struct hak_reader *reader, uint32_t index, struct hak_constraint *out, char *error);
int hak_reader_metric(struct hak_reader *reader, uint32_t index, struct hak_metric *out, char *error);
int hak_reader_axis(struct hak_reader *reader, uint32_t index, struct hak_axis *out, char *error);
int hak_reader_axis_item(struct hak_reader *reader, uint32_t index, struct hak_axis_item *out, char *error);
int hak_reader_event_kind(struct hak_reader *reader, uint32_t index, struct hak_event_kind *out, char *error);
int hak_reader_event_cause(struct hak_reader *reader, uint32_t index, struct hak_event_cause *out, char *error);

/* Copy the values of one generation, which no concurrent setter can have changed half. `values` has room for
 * one double for each tunable. Return HAK_OK and the generation. */
int hak_reader_requested(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error);
int hak_reader_effective(struct hak_reader *reader, double *values, uint32_t count, uint64_t *generation, char *error);

/* Returns the pid of the process that set this generation, if it is the latest, or 0 if that is not known. */
int hak_reader_setter(struct hak_reader *reader, uint64_t generation, char *error);

/* Sets all of `count` tunables, or none. Each value is checked against its descriptor, and all values together
 * against every constraint. A tunable that takes effect at start may be set to the value that it has.
 * *generation becomes the new generation. */
int hak_reader_set(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                   uint64_t *generation, char *error);
/* Checks whether a process may be started with these values, and otherwise with the values that are requested now. It
 * checks like hak_reader_set, but changes nothing, and accepts tunables that take effect at start. */
int hak_reader_check(struct hak_reader *reader, const uint32_t *index, const double *value, uint32_t count,
                     char *error);

/* A lease (hak_block.h) for `length_ms`: unless it is renewed in time, each of these tunables that is set to its `held` value
 * goes back to its `back` value, without anybody's help. It changes no setting. `number` and the caller's process name
 * the holder. To take one fails while another one holds. To renew or end one fails if it has lapsed, and so does the next set
 * by the reader that took it. Whoever ends a lease sets the values to go back to before. */
int hak_reader_take_lease(struct hak_reader *reader, const uint32_t *index, const double *back, const double *held,
                          uint32_t count, uint32_t number, uint32_t length_ms, char *error);
int hak_reader_renew_lease(struct hak_reader *reader, uint32_t number, uint32_t length_ms, char *error);
int hak_reader_end_lease(struct hak_reader *reader, uint32_t number, char *error);

/* Reads every stored metric in the order of descriptors. axis_counts receives the number of rows in use of each axis.
 * words receives, for each metric that is not derived, count(axis0) * count(axis1) words, row by row
 * (axis0 outer). Returns the number of words written, or HAK_ERROR_BUFFER with the number of words that are needed in
 * *words_needed. *time_ns is the CLOCK_MONOTONIC time of the reading. */
int64_t hak_reader_snapshot(struct hak_reader *reader, uint32_t *axis_counts, uint32_t axis_capacity,
                            uint64_t *words, uint64_t words_capacity, uint64_t *words_needed,
                            uint64_t *time_ns, char *error);

/* Copies at most `capacity` events from *cursor on (0: from the oldest one that is kept), and advances *cursor. Adds to
 * *lost the number of events that were overwritten, or given up by their writers, before they were read. Stops
 * before an event that is still being written. Returns how many events it copied. */
int64_t hak_reader_events(struct hak_reader *reader, uint64_t *cursor, struct hak_event *out, uint32_t capacity,
                          uint64_t *lost, char *error);

/* Of a block of kind HAK_SAMPLES_KIND: copies the head, and one after another at most `capacity` samples that did not change
 * meanwhile, in no order. The copies of their stacks lie one after another in `stacks`, in the same order. `samples` is
 * aligned to 64 bytes. Returns how many samples it copied. */
int64_t hak_reader_samples(struct hak_reader *reader, struct hak_samples *head, struct hak_sample *samples, uint32_t capacity,
                           char *stacks, uint64_t stack_capacity, char *error);

#endif
