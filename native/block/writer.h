/* writer.h: publishes a control block (include/hak_block.h). Used by the allocator and by the
 * workload runner; allocates no memory and prints nothing.
 *
 * A block whose file cannot be made (no tmpfs, no space, access off) is private memory instead: the
 * publisher notices no difference, other processes see nothing. */
#ifndef HAK_BLOCK_WRITER_H
#define HAK_BLOCK_WRITER_H

#include "hak_block.h"
#include <stdatomic.h>
#include <stddef.h>

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
    uint32_t event_capacity;      /* power of two */
    enum hak_access access;       /* OFF: private memory, no file */
    const double *initial_values; /* one a tunable, both requested and effective; NULL: defaults */
};

struct hak_block {
    struct hak_header *header; /* start of the mapping */
    uint64_t bytes;
    char *data;
    struct hak_axis *axes;
    double *requested, *effective; /* the sections; access words through the functions below */
    struct hak_event *events;
    uint32_t tunable_count, event_mask;
    char path[128]; /* empty: nobody finds it */
    int is_shared;  /* a file's pages, even if it got no name: a child of fork would write the same */
};

/* Maps, fills and publishes. Both generations start at 1. DATA and EVENT are zero and untouched.
 * Returns 0, or -1 if even private memory is refused or event_capacity is no power of two. A block of
 * the same kind that this process published earlier, before an exec, is replaced. */
int hak_block_create(struct hak_block *block, const struct hak_block_spec *spec);
/* Marks the block EXITED and unlinks its file; the mapping stays for late readers in the process. */
void hak_block_retire(struct hak_block *block);
/* In the child of a fork: gives the child a block of its own, at the same addresses, with the same
 * content except that the event ring starts empty, and named for the child. Falls back to private
 * memory. Does nothing in the process that made the block. */
void hak_block_after_fork(struct hak_block *block);

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

/* Appends an event: lock-free, overwrites the oldest. thread and time are filled in by the caller. */
void hak_block_append_event(struct hak_block *block, const struct hak_event *event);

#endif
