/* request.c: makes and checks requests. */
#include "request.h"
#include <stdio.h>
#include <string.h>

void workload_request_init(struct workload_request *request, const struct workload *workload)
{
    memset(request, 0, sizeof *request);
    request->workload = workload;
    request->allocator_kind = "hakmem";
    request->threads = workload->default_threads;
    for (uint32_t i = 0; i < workload->parameter_count; i++)
        request->parameters[i] = workload->parameters[i].default_value;
}

static int check_parameter(const struct workload *workload, uint32_t index, double value, char *error)
{
    const struct workload_parameter *parameter = &workload->parameters[index];
    if (!(value >= parameter->minimum && value <= parameter->maximum)) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "parameter %s of workload %s: %.15g is not within %.15g to %.15g %s",
                 parameter->name, workload->name, value, parameter->minimum, parameter->maximum, parameter->unit);
        return -1;
    }
    if (value != (double)(uint64_t)value) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "parameter %s of workload %s: %.15g is not a whole number of %s",
                 parameter->name, workload->name, value, parameter->unit);
        return -1;
    }
    return 0;
}

int workload_request_set(struct workload_request *request, const char *name, double value, char *error)
{
    const struct workload *workload = request->workload;
    for (uint32_t i = 0; i < workload->parameter_count; i++) {
        if (strcmp(workload->parameters[i].name, name) != 0)
            continue;
        request->parameters[i] = value;
        return check_parameter(workload, i, value, error);
    }
    int used = snprintf(error, WORKLOAD_ERROR_BYTES, "workload %s has no parameter '%.40s'; it has",
                        workload->name, name);
    for (uint32_t i = 0; i < workload->parameter_count && used < (int)WORKLOAD_ERROR_BYTES; i++)
        used += snprintf(error + used, WORKLOAD_ERROR_BYTES - (size_t)used, "%s %s", i == 0 ? "" : ",",
                         workload->parameters[i].name);
    return -1;
}

int workload_request_check(const struct workload_request *request, char *error)
{
    const struct workload *workload = request->workload;
    for (uint32_t i = 0; i < workload->parameter_count; i++)
        if (check_parameter(workload, i, request->parameters[i], error) != 0)
            return -1;
    const char *complaint = workload->check == NULL ? NULL : workload->check(request->parameters);
    if (complaint != NULL) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "workload %s: %s", workload->name, complaint);
        return -1;
    }
    if (request->threads < 1 || request->threads > WORKLOAD_MAX_THREADS) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "threads: %u is not within 1 to %u", request->threads,
                 WORKLOAD_MAX_THREADS);
        return -1;
    }
    if (request->operations == 0 && !(request->seconds > 0 && request->seconds <= 1e7)) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "seconds: %.15g is not above 0 and at most 10000000",
                 request->seconds);
        return -1;
    }
    return 0;
}

const char *workload_status_name(enum workload_status status)
{
    static const char *const names[] = {"completed", "stopped", "failed"};
    return names[status];
}
