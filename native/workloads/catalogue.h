/* catalogue.h: the workloads there are, for catalogue.c and the files that define them. */
#ifndef HAK_CATALOGUE_H
#define HAK_CATALOGUE_H

#include "workload.h"

extern const struct workload workload_larson;
extern const struct workload workload_random_mixed;
extern const struct workload workload_site_churn;
extern const struct workload workload_mid_churn;
extern const struct workload workload_phases;

#endif
