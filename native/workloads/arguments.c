/* arguments.c: parses the runner's command line. It does not use getopt_long, which prints its own errors and
 * reorders words. */
#include "arguments.h"
#include "catalogue.h"
#include "replay.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT(token) TEXT_OF(token)
#define TEXT_OF(token) #token

static int refuse(char *error, const char *option, const char *value, const char *expected)
{
    snprintf(error, WORKLOAD_ERROR_BYTES, "%s: '%.60s' is not %s", option, value, expected);
    return -1;
}

static int parse_count(const char *option, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *out,
                       char *error)
{
    char *end, expected[80];
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= minimum && value <= maximum) {
        *out = value;
        return 0;
    }
    snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)minimum,
             (unsigned long long)maximum);
    return refuse(error, option, text, expected);
}

static int parse_number(const char *option, const char *text, double *out, char *error)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' ? 0 : refuse(error, option, text, "a number");
}

static int parse_parameter(struct workload_request *request, const char *text, char *error)
{
    char name[48];
    double value;
    const char *equals = strchr(text, '=');
    if (equals == NULL || (size_t)(equals - text) >= sizeof name)
        return refuse(error, "--param", text, "NAME=VALUE");
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    if (parse_number("--param", equals + 1, &value, error) != 0)
        return -1;
    return workload_request_set(request, name, value, error);
}

/* Parses OPERATIONS:NAME=WORD[,NAME=WORD]... */
static int parse_change(struct workload_request *request, const char *text, char *error)
{
    static struct workload_change changes[SCHEDULE_MAX_CHANGES]; /* only the pages that are used become resident */
    static uint32_t set_count;
    static const char form[] = "OPERATIONS:NAME=WORD[,NAME=WORD]..., in order of OPERATIONS";
    char *end;
    unsigned long long at = strtoull(text, &end, 10);
    uint32_t count = request->change_count;
    if (text[0] < '0' || text[0] > '9' || *end != ':' || (count != 0 && at < changes[count - 1].at_operations))
        return refuse(error, "--change", text, form);
    for (const char *word = end; *word != '\0'; word = end) {
        struct workload_change *change = &changes[count];
        const char *name = word + 1, *equals = strchr(name, '=');
        if (count == SCHEDULE_MAX_CHANGES)
            return refuse(error, "--change", text, "among the first " TEXT(SCHEDULE_MAX_CHANGES) " values");
        if (equals == NULL || (size_t)(equals - name) >= sizeof change->name)
            return refuse(error, "--change", text, form);
        memcpy(change->name, name, (size_t)(equals - name));
        change->value = strtod(equals + 1, &end);
        if (end == equals + 1 || (*end != ',' && *end != '\0'))
            return refuse(error, "--change", text, form);
        change->at_operations = at;
        change->set = set_count;
        count++;
    }
    set_count++;
    request->changes = changes;
    request->change_count = count;
    return 0;
}

static int find_workload(struct workload_request *request, int count, char **words, char *error)
{
    for (int i = 1; i + 1 < count; i++) {
        if (strcmp(words[i], "--workload") != 0)
            continue;
        const struct workload *workload = workload_find(words[i + 1]);
        if (workload == NULL)
            return refuse(error, "--workload", words[i + 1], "the name of a workload (see --list)");
        workload_request_init(request, workload);
        return 0;
    }
    snprintf(error, WORKLOAD_ERROR_BYTES, "--workload NAME is needed (see --list)");
    return -1;
}

static int parse_option(struct arguments *arguments, const char *option, const char *value, char *error)
{
    struct workload_request *request = &arguments->request;
    uint64_t number = 0;
    int outcome = 0;
    if (strcmp(option, "--workload") == 0)
        return 0; /* find_workload has read it */
    if (strcmp(option, "--param") == 0)
        return parse_parameter(request, value, error);
    if (strcmp(option, "--change") == 0)
        return parse_change(request, value, error);
    if (strcmp(option, "--kind") == 0) {
        request->allocator_kind = value;
        return 0;
    }
    if (strcmp(option, "--trace-plan") == 0) {
        arguments->plan_path = value;
        return 0;
    }
    if (strcmp(option, "--seconds") == 0)
        return parse_number(option, value, &request->seconds, error);
    if (strcmp(option, "--operations") == 0)
        return parse_count(option, value, 1, INT64_MAX, &request->operations, error);
    if (strcmp(option, "--seed") == 0)
        return parse_count(option, value, 0, UINT64_MAX, &request->seed, error);
    if (strcmp(option, "--threads") == 0) {
        outcome = parse_count(option, value, 1, WORKLOAD_MAX_THREADS, &number, error);
        request->threads = (uint32_t)number;
    } else if (strcmp(option, "--die-with-parent") == 0) {
        outcome = parse_count(option, value, 1, INT32_MAX, &number, error);
        arguments->parent_pid = (long)number;
    } else if (strcmp(option, "--ready-descriptor") == 0) {
        outcome = parse_count(option, value, 0, INT32_MAX, &number, error);
        arguments->ready_descriptor = (int)number;
    } else {
        snprintf(error, WORKLOAD_ERROR_BYTES, "unknown option '%.60s' (see --help)", option);
        outcome = -1;
    }
    return outcome;
}

/* Opens the replay plan, which says how many threads there are. */
static int open_plan(struct arguments *arguments, char *error)
{
    struct workload_request *request = &arguments->request;
    bool is_wanted = request->workload->script != NULL;
    if (is_wanted && arguments->plan_path != NULL && request->operations == 0)
        return replay_open(arguments->plan_path, &request->threads, error);
    if (!is_wanted && arguments->plan_path == NULL)
        return 0;
    snprintf(error, WORKLOAD_ERROR_BYTES, "workload %s %s", request->workload->name,
             !is_wanted                     ? "takes no --trace-plan"
             : request->operations != 0     ? "runs to the end of its trace: give --seconds, not --operations"
                                            : "needs --trace-plan FILE");
    return -1;
}

int arguments_parse(struct arguments *arguments, int count, char **words, char *error)
{
    memset(arguments, 0, sizeof *arguments);
    arguments->ready_descriptor = -1;
    if (count == 2) {
        arguments->wants_help = strcmp(words[1], "--help") == 0;
        arguments->wants_list = strcmp(words[1], "--list") == 0;
        arguments->wants_identity = strcmp(words[1], "--allocator") == 0;
        if (arguments->wants_help || arguments->wants_list || arguments->wants_identity)
            return 0;
    }
    int before_program = 1; /* options before --exec have a value each */
    while (before_program + 1 < count && strcmp(words[before_program], "--exec") != 0)
        before_program += 2;
    if (before_program + 1 < count) {
        arguments->program = words + before_program + 1;
        for (int i = 1; i < before_program; i += 2) {
            if (parse_option(arguments, words[i], words[i + 1], error) != 0)
                return -1;
        }
        return 0;
    }
    if (find_workload(&arguments->request, count, words, error) != 0)
        return -1;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--paused") == 0) {
            arguments->request.starts_paused = true;
            continue;
        }
        if (i + 1 == count) {
            snprintf(error, WORKLOAD_ERROR_BYTES, "%.60s needs a value (see --help)", words[i]);
            return -1;
        }
        if (parse_option(arguments, words[i], words[i + 1], error) != 0)
            return -1;
        i++;
    }
    if ((arguments->request.operations == 0) == (arguments->request.seconds == 0)) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "either --seconds S or --operations N is needed");
        return -1;
    }
    if (open_plan(arguments, error) != 0)
        return -1;
    return workload_request_check(&arguments->request, error);
}
