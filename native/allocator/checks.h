/* checks.h: called when a check fails (tunables check.level and check.action). */
#ifndef HAK_CHECKS_H
#define HAK_CHECKS_H

#include "base.h"
#include "events.h"

/* Reports that `call` got a wrong `address`; `cause` says what is wrong. It counts the failure and appends an event. If
 * check.action is abort, it then prints one line and aborts; if it is refuse, it returns, and the call does nothing.
 * At check.level 0 it returns at once. */
COLD void check_failed(const struct actor *actor, const char *call, const void *address, enum event_cause cause);

#endif
