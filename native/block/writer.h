/* writer.h: publishes a control block (include/hak_block.h). Used by the allocator and by the
 * workload runner; allocates no memory and prints nothing.
 *
 * A block whose file cannot be made (no tmpfs, no space, access off) is private memory instead: the
 * publisher notices no difference, other processes see nothing. */
#ifndef HAK_BLOCK_WRITER_H
#define HAK_BLOCK_WRITER_H

#include "writer_block.h"
#include <stdatomic.h>

enum { HAK_BLOCK_MOST_RANGES = 4 };

struct hak_block_spec {
    const char *kind, *build;
    const struct hak_tunable *tunables;
    const struct hak_constraint *constraints;
    const struct hak_metric *metrics;
    const struct hak_axis *axes; /* count holds the initial number of rows in use */
    const struct hak_axis_item *axis_items;
    const struct hak_event_kind *event_kinds;
    const struct hak_event_cause *event_causes;
    uint32_t tunable_count, constraint_count, metric_count, axis_count, axis_item_count;
    uint32_t event_kind_count, event_cause_count;
    uint64_t data_bytes;
    const struct hak_range *used; /* parts of DATA that get their pages at once, in ascending order */
    uint32_t used_count;          /* at most HAK_BLOCK_MOST_RANGES */
    uint32_t event_capacity;      /* power of two */
    enum hak_access access;       /* OFF: private memory, no file */
    uint32_t is_on_demand;        /* the publisher measures when a reader looks: hak_block_wait, hak_block_answer */
    uint32_t flags;               /* enum hak_block_flag */
    const double *initial_values; /* one a tunable, both requested and effective; NULL: defaults */
};

/* Maps, fills and publishes. Both generations start at 1. DATA and EVENT are zero, and untouched but for `used`.
 * Returns 0, or -1 if even private memory is refused or event_capacity is no power of two. */
int hak_block_create(struct hak_block *block, const struct hak_block_spec *spec);
/* At the process's exit: marks the block EXITED by a store, without a system call. The file stays until a
 * later start or a reader finds its lock free. Nothing in a child that has no block of its own yet. */
void hak_block_end(struct hak_block *block);
/* For a publisher that lives on: marks the block EXITED and unlinks its file; the mapping stays for late
 * readers in the process. */
void hak_block_retire(struct hak_block *block);
/* In the child of a fork: gives the child a block of its own, at the same addresses, with the same content
 * in `used` parts of DATA (at most HAK_BLOCK_MOST_RANGES, whose pages are present) except that the event
 * ring starts empty, and named for the child. Private memory if no file can be made or `may_make_file` is 0.
 * Does nothing in the process that made the block. */
void hak_block_after_fork(struct hak_block *block, const struct hak_range *used, uint32_t used_count,
                          int may_make_file);

/* One line for a person: why the block has no file, with folder and remedy; "" if it has one. Not for malloc's
 * own initialisation: it formats text by the C library. Returns block->no_file. */
enum hak_no_file hak_block_explain(const struct hak_block *block, char *text, size_t bytes);

static inline uint64_t hak_block_generation(const struct hak_block *block)
{
    return atomic_load_explicit(&block->header->generation, memory_order_acquire);
}
/* Copies the requested values of one generation; 0 on success, -1 if a setter kept interfering (or
 * died half-way: then the generation did not move and the caller keeps what it had). */
int hak_block_copy_requested(const struct hak_block *block, double *values, uint64_t *generation);
/* Callers of these take turns (hold a lock of their own). */
/* Requests values as a setter does, without the file: `generation` is the next one. */
void hak_block_request(struct hak_block *block, const double *values, uint64_t generation);
void hak_block_publish_effective(struct hak_block *block, const double *values, uint64_t generation);
void hak_block_set_axis_count(struct hak_block *block, uint32_t axis, uint32_t count);

/* For a publisher that measures on demand. Sleeps until a reader looks or sets, unless the generation is no
 * longer `seen`. May return for no reason. */
void hak_block_wait(const struct hak_block *block, uint64_t seen);
/* What was measured is in the block: readers who wait for it go on. */
void hak_block_answer(struct hak_block *block);

/* Appends an event: lock-free, overwrites the oldest. thread and time are filled in by the caller. */
void hak_block_append_event(struct hak_block *block, const struct hak_event *event);

#endif
