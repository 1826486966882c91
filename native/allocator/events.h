/* events.h: appends to the control block's event ring (events.def), and prints capacity changes to
 * standard error if log.capacity asks for it.
 *
 *   position     ... 1021  1022  1023 | 1024  1025 ...        slot = position & event_mask
 *   slot         ... [  ]  [  ]  [  ]   [  ]  <- head
 *
 * A writer claims a position by an atomic addition to head. The slot's sequence says whose turn it is: a writer takes the
 * slot by CAS, fills it, and releases it with its position; a reader acquires the sequence, copies the slot, and compares
 * the sequence again. If other writers lapped a writer, it drops its event and counts it as lost (hak_block.h has the
 * layout, writer.c the protocol). The log follows the ring: a thread that gets the log's lock without waiting prints the
 * new events. */
#ifndef HAK_EVENTS_H
#define HAK_EVENTS_H

#include "base.h"
#include "settings.h"

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

/* Takes no lock, so it may be called under any lock. `actor` is NULL for a thread without a cache. `item` is the class or
 * shard, or NO_ITEM. */
void event_append(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                  double old_value, double new_value);

/* The same with a further number for the printed line: the usage in percent for TLS_KEEP, the entries for BIG_RESIZE, and
 * the average load for L25_EXPAND. */
void event_append_detail(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                         double old_value, double new_value, uint32_t detail);

/* Events that may occur thousands of times a second are reported as sums. Otherwise no other event would stay in the
 * ring. The caller's lock guards the sum. */
#define EVENT_SUM_PERIOD_MS 100
struct event_sum {
    uint32_t untold, last_ms; /* last_ms: when the last sum was reported; 0 if none was */
};
/* Adds `count`. Returns the sum if an event is due now, or 0. */
uint32_t event_sum_add(struct event_sum *sum, const struct actor *actor, uint32_t count);

/* The stages in which superslab.h looks for a slab, in this order. */
enum acquire_stage { ACQUIRE_LAST, ACQUIRE_RECYCLED, ACQUIRE_HINT, ACQUIRE_MASK, ACQUIRE_NEW, ACQUIRE_STAGE_COUNT };
/* Prints the acquisition of a slab if log.acquire asks for it. Called with no lock held. class_index is NO_ITEM for a block
 * of L2.5. */
void event_log_acquire(enum acquire_stage stage, uint32_t class_index, const void *chunk_base, unsigned slab_index);

void event_log_print(void); /* by event_log_flush alone */
/* Prints the events that were appended since the last call. Called from slow paths with no lock held. Does nothing if
 * log.capacity is off or another thread is printing. */
static inline void event_log_flush(void)
{
    if (UNLIKELY(SETTING(log_capacity)))
        event_log_print();
}
/* Both are called in a forked child, in which the thread that was printing does not exist. */
void event_log_reset_lock(void);
void event_log_after_fork(void);
/* Duplicates the descriptor of standard error, to which the log is written. */
void event_log_open(void);

#endif
