/* catalogue.c: finds workloads in the list of catalogue.h. */
#include "catalogue.h"
#include <string.h>

#define ADDRESS_OF(name) &workload_##name,
static const struct workload *const workloads[] = {WORKLOAD_CATALOGUE(ADDRESS_OF)};

const struct workload *workload_at(uint32_t index)
{
    return index < sizeof workloads / sizeof workloads[0] ? workloads[index] : NULL;
}

const struct workload *workload_find(const char *name)
{
    const struct workload *workload;
    for (uint32_t i = 0; (workload = workload_at(i)) != NULL; i++)
        if (strcmp(workload->name, name) == 0)
            return workload;
    return NULL;
}
