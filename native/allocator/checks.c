/* checks.c: one line, then abort, without the allocator's help. */
#include "checks.h"

#include "settings.h"
#include "telemetry.h"
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *describe(enum event_cause cause)
{
    switch (cause) {
    case CAUSE_FOREIGN:
        return "belongs to no live block of this allocator";
    case CAUSE_MISALIGNED:
        return "is not the start of a block";
    case CAUSE_DOUBLE_FREE:
        return "was freed before";
    case CAUSE_OVERWRITTEN:
        return "was written to after it was freed";
    default:
        return "is not valid";
    }
}

void check_failed(const struct actor *actor, const char *call, const void *address, enum event_cause cause)
{
    if (control_block.header) {
        if (SETTING(check_level) == 0)
            return;
        telemetry_add(&telemetry->global.corruptions, 1);
        event_append(actor, EVENT_CORRUPTION, cause, NO_ITEM, 0, (double)(uintptr_t)address);
        if (SETTING(check_action) == CHECK_REFUSE)
            return;
    }
    char line[160];
    int length = snprintf(line, sizeof line, "hakmem: %s(%p): this address %s\n", call, address, describe(cause));
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        abort();
    abort();
}
