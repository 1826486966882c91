/* checks.h: what happens when a check fails (tunables check.level, check.action). */
#ifndef HAK_CHECKS_H
#define HAK_CHECKS_H

#include "base.h"
#include "events.h"

/* `call` got `address`, which is wrong in the way `cause` says. Counts it and leaves an event; then,
 * at check.action abort, prints one line and aborts; at refuse returns, and the call does nothing.
 * At check.level 0 it returns at once. */
COLD void check_failed(const struct actor *actor, const char *call, const void *address, enum event_cause cause);

#endif
