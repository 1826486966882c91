/* catalogue.c: the list of workloads. A new one is one file, and one row here. */
#include "catalogue.h"
#include <string.h>

static const struct workload *const workloads[] = {
    &workload_larson, &workload_random_mixed, &workload_site_churn, &workload_mid_churn, &workload_phases,
};

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
