/* writer.h: publishes a control block (include/hak_block.h). The allocator, the agents and the workload runner use it. It
 * allocates no memory and prints nothing.
 *
 * If the block's file cannot be made (no tmpfs, no space, access off), the block is private memory. That makes no
 * difference to the publisher, but other processes do not see the block. */
#ifndef HAK_BLOCK_WRITER_H
#define HAK_BLOCK_WRITER_H

#include "hak_memory.h"
#include "writer_block.h"
#include <stdatomic.h>

enum { HAK_BLOCK_MOST_RANGES = 4 };

struct hak_block_spec {
    const char *kind, *build;
    const struct hak_tunable *tunables;
    const struct hak_constraint *constraints;
    const struct hak_metric *metrics;
    const struct hak_axis *axes; /* their `count` is the initial number of rows in use */
    const struct hak_axis_item *axis_items;
    const struct hak_event_kind *event_kinds;
    const struct hak_event_cause *event_causes;
    /* Instead of `tunables` and `metrics`: write the descriptors into the block, where all is zero. */
    void (*describe_tunables)(struct hak_tunable *tunables);
    void (*describe_metrics)(struct hak_metric *metrics);
    uint32_t tunable_count, constraint_count, metric_count, axis_count, axis_item_count;
    uint32_t event_kind_count, event_cause_count;
    uint64_t data_bytes;
    const struct hak_range *used; /* parts of DATA that get their pages at once, in ascending order */
    uint32_t used_count;          /* at most HAK_BLOCK_MOST_RANGES */
    uint32_t event_capacity;      /* a power of two */
    enum hak_access access;       /* OFF: the block is private memory and has no file */
    uint32_t is_on_demand;        /* the publisher measures when a reader looks: hak_block_wait, hak_block_answer */
    uint32_t flags;               /* enum hak_block_flag */
    const double *initial_values; /* one for each tunable, both requested and effective; the defaults if NULL */
};

/* Maps, fills and publishes the block. Both generations start at 1. DATA and EVENT are zero; only the `used` parts of
 * DATA get pages. Returns 0, or -1 if even private memory is refused or event_capacity is not a power of two. */
int hak_block_create(struct hak_block *block, const struct hak_block_spec *spec);
/* For the process's exit: marks the block EXITED by a store, without a system call. The file stays until a
 * later start or a reader finds its lock free. Does nothing in a child that has no block of its own yet. */
void hak_block_end(struct hak_block *block);
/* For a publisher that lives on: marks the block EXITED and unlinks its file. The mapping stays, because other threads of
 * the process may still read it. */
void hak_block_retire(struct hak_block *block);
/* For the child of a fork: gives the child a block of its own, named for the child, at the same addresses. It has the same
 * content, but of DATA only the `used` parts (at most HAK_BLOCK_MOST_RANGES, whose pages are present), and the event ring
 * starts empty. It is private memory if no file can be made or `may_make_file` is 0.
 * Does nothing in the process that made the block. */
void hak_block_after_fork(struct hak_block *block, const struct hak_range *used, uint32_t used_count,
                          int may_make_file);

/* Writes one line for a person: why the block has no file, with folder and remedy, or "" if it has one. malloc's
 * initialisation must not call it, because it formats text by the C library. Returns block->no_file. */
enum hak_no_file hak_block_explain(const struct hak_block *block, char *text, size_t bytes);

static inline uint64_t hak_block_generation(const struct hak_block *block)
{
    return atomic_load_explicit(&block->header->generation, memory_order_acquire);
}
/* Whether a lease holds. When it has lapsed, hak_block_note_lapse returns 1 once, after it changed the generation. */
int hak_block_is_leased(const struct hak_block *block);
int hak_block_note_lapse(struct hak_block *block);
/* Copies the requested values of one generation, after a lapsed lease those to go back to. Returns 0, or -1 if setters kept changing them meanwhile; then the caller
 * keeps the values that it has. */
int hak_block_copy_requested(const struct hak_block *block, double *values, uint64_t *generation);
/* Callers of the next three functions hold a lock of their own, so that one calls at a time. */
/* Requests values as a setter does, but in memory. `generation` is the next one. */
void hak_block_request(struct hak_block *block, const double *values, uint64_t generation);
void hak_block_publish_effective(struct hak_block *block, const double *values, uint64_t generation);
void hak_block_set_axis_count(struct hak_block *block, uint32_t axis, uint32_t count);
/* Tells readers where the records and blocks of this process lie, and what describes them (hak_memory.h). */
void hak_block_publish_memory(struct hak_block *block, const void *start, const void *end,
                              const struct hak_memory *layout);

/* For a publisher that measures on demand. Sleeps until a reader looks or sets or a lease lapses, unless the generation is
 * no longer `seen`. It may also return without a reason. */
void hak_block_wait(const struct hak_block *block, uint64_t seen);
/* Wakes a thread that sleeps there, as a reader does. */
void hak_block_wake(const struct hak_block *block);
/* Called when the measured values are in the block: lets readers that wait for them go on. */
void hak_block_answer(struct hak_block *block);

/* Appends an event, which overwrites the oldest one. It takes no lock. The caller fills in thread and time. */
void hak_block_append_event(struct hak_block *block, const struct hak_event *event);
/* Takes the pages of the events out of the process, if the block has a file. They stay in the file, from which readers read
 * them. One that is written again comes back by a page fault. */
void hak_block_forget_events(struct hak_block *block);

#endif
