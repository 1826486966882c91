/* mimalloc.h: what the files of the two mimallocs share: its functions, and which version serves.
 *
 * Options have numbers, not names, and the numbers change between versions: one version a table. */
#ifndef HAK_AGENT_MIMALLOC_H
#define HAK_AGENT_MIMALLOC_H

#include "agent.h"
#include "find.h"

#include <stdio.h>

static long (*mi_option_get)(int option);
static void (*mi_option_set)(int option, long value);
static void (*mi_collect)(bool is_forced);

#define OPTION(number) ((double)mi_option_get(number))
#define SET_OPTION(number) (mi_option_set(number, (long)value), 0)

#define MI_FIND(function) FIND_FUNCTION(function, #function)

/* The version if mimalloc serves malloc and has been found, else 0: 209 is 2.0.9; from 3.2 on, 30403 is 3.4.3. */
static int find_mimalloc(struct agent_found *found)
{
    int (*mi_version)(void);
    MI_FIND(mi_version);
    MI_FIND(mi_option_get);
    MI_FIND(mi_option_set);
    MI_FIND(mi_collect);
    if (!mi_version || !find_serves((const void *)mi_version) || !mi_option_get || !mi_option_set || !mi_collect)
        return 0;
    int version = mi_version(), base = version >= 10000 ? 100 : 10;
    snprintf(found->build, sizeof found->build, "mimalloc %d.%d.%d", version / base / base, version / base % base,
             version % base);
    found->is_known = found->has_metrics = found->serves_malloc = true;
    return version;
}

#endif
