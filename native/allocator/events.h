/* events.h: appends to the control block's event ring (events.def), and prints capacity changes to
 * standard error if log.capacity asks for it. */
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

/* Prints what was appended since the last call. Called from slow paths with no lock held; does
 * nothing unless log.capacity is on, or if another thread is printing. */
void event_log_flush(void);
/* In a forked child: whoever was printing is gone. */
void event_log_after_fork(void);
/* Remembers the descriptor the log goes to (a duplicate of standard error). */
void event_log_open(void);

#endif
