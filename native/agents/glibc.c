/* glibc.c: the C library's own malloc. */
#include "find.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <stdio.h>

/* mallopt says only whether it took the value. -1 stands for "not set", which it cannot go back to. */
#define OPTION(parameter) (value >= 0 && mallopt(parameter, (int)value) ? 0 : EINVAL)
#define AGENT_BEGIN struct mallinfo2 info = mallinfo2();
#define AGENT_TABLE "glibc.def"
#include "table.h"

static bool find(struct agent_found *found)
{
    if (!find_serves((const void *)gnu_get_libc_version))
        return false;
    snprintf(found->build, sizeof found->build, "glibc %s", gnu_get_libc_version());
    found->is_known = found->has_metrics = found->serves_malloc = true;
    return true;
}

const struct agent_allocator agent_glibc = AGENT_ALLOCATOR("glibc");
