/* events.h: appends to the control block's event ring (events.def), and prints capacity changes to
 * standard error if log.capacity asks for it.
 *
 *   position     ... 1021  1022  1023 | 1024  1025 ...        slot = position & event_mask
 *   slot         ... [  ]  [  ]  [  ]   [  ]  <- head
 *
 * head is claimed by an atomic addition; the slot's sequence says whose turn it is: a writer takes it by
 * CAS, fills it, and releases it with its position; a reader acquires the sequence, copies, and looks again.
 * A writer that was lapped leaves its event and counts it lost (hak_block.h has the layout, writer.c the
 * protocol). The log follows the ring: whoever gets the log's lock, at once, prints what is new. */
#ifndef HAK_EVENTS_H
#define HAK_EVENTS_H

#include "base.h"

enum event_kind {
#define HAK_EVENT(name, ...) EVENT_##name,
#define HAK_CAUSE(name)
#include "events.def"
#undef HAK_EVENT
#undef HAK_CAUSE
    EVENT_KIND_COUNT
};

enum event_cause {
#define HAK_EVENT(...)
#define HAK_CAUSE(name) CAUSE_##name,
#include "events.def"
#undef HAK_EVENT
#undef HAK_CAUSE
    EVENT_CAUSE_COUNT
};

#define NO_ITEM 0xffffffffu

/* Lock-free; may be called under any lock. `actor` may be NULL (a thread without a cache).
 * item: the class or shard, else NO_ITEM. */
void event_append(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                  double old_value, double new_value);

/* The same with the number that the printed line adds: TLS_KEEP: usage in percent; BIG_RESIZE: entries;
 * L25_EXPAND: the average load. */
void event_append_detail(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                         double old_value, double new_value, uint32_t detail);

/* What may happen thousands of times a second is told in sums: else it would push all else out of the ring.
 * Under the caller's lock. */
#define EVENT_SUM_PERIOD_MS 100
struct event_sum {
    uint32_t untold, last_ms; /* last_ms: when the last was told; 0: never */
};
/* What an event is to tell now, with `count`; 0: none is due. */
uint32_t event_sum_add(struct event_sum *sum, const struct actor *actor, uint32_t count);

/* Where the shared pool found a slab, in the order in which it looks. */
enum acquire_stage { ACQUIRE_LAST, ACQUIRE_RECYCLED, ACQUIRE_HINT, ACQUIRE_MASK, ACQUIRE_NEW, ACQUIRE_STAGE_COUNT };
/* Prints it if log.acquire asks for it. With no lock held. class_index: NO_ITEM for a block of L2.5. */
void event_log_acquire(enum acquire_stage stage, uint32_t class_index, const void *chunk_base, unsigned slab_index);

/* Prints what was appended since the last call. Called from slow paths with no lock held; does
 * nothing unless log.capacity is on, or if another thread is printing. */
void event_log_flush(void);
/* In a forked child: whoever was printing is gone. */
void event_log_reset_lock(void);
void event_log_after_fork(void);
/* Remembers the descriptor the log goes to (a duplicate of standard error). */
void event_log_open(void);

#endif
