/* arguments.h: the runner's command line. */
#ifndef HAK_WORKLOAD_ARGUMENTS_H
#define HAK_WORKLOAD_ARGUMENTS_H

#include "session.h"

struct arguments {
    struct workload_request request;
    long parent_pid;      /* 0, or the process with which this one is to end */
    int ready_descriptor; /* -1, or where to write the control block's path once the run is ready; the program's pid */
    const char *plan_path; /* NULL, or the replay plan */
    char **program;       /* NULL, or a command that this process becomes instead; its last word is NULL */
    bool wants_help, wants_list, wants_identity;
};

#define ARGUMENTS_HELP                                                                                 \
    "usage: hakmem-run --workload NAME (--seconds S | --operations N) [--threads N] [--seed N]\n"      \
    "                  [--param NAME=VALUE]... [--change OPERATIONS:NAME=WORD[,NAME=WORD]...]...\n"    \
    "                  [--trace-plan FILE] [--paused] [--die-with-parent PID]\n"                        \
    "                  [--ready-descriptor FD]\n"                                                      \
    "       hakmem-run [--die-with-parent PID] [--ready-descriptor FD] --exec COMMAND...\n"            \
    "       hakmem-run --list | --allocator | --help\n"                                                \
    "Runs a workload on whatever malloc is loaded; prints one line of JSON at the end.\n"              \
    "  --list               workloads and their parameters\n"                                          \
    "  --allocator          which allocator is loaded, and its version, as JSON\n"                     \
    "  --paused             starts paused: set run.state of the control block to go on\n"              \
    "  --change             sets tunables of the allocator once so many operations are done\n"          \
    "  --kind               kind of the control block that --change sets; hakmem by default\n"           \
    "  --trace-plan         what the workload replay replays, compiled from a trace\n"                 \
    "  --die-with-parent    is killed when its parent, process PID, ends\n"                            \
    "  --ready-descriptor   writes the path of the control block there once it can be opened\n"        \
    "  --exec               becomes another program, which dies with the parent too; with\n"            \
    "                       --ready-descriptor in a new process, whose number is written there\n"

/* Returns 0, or -1 with one line in `error` (WORKLOAD_ERROR_BYTES). */
int arguments_parse(struct arguments *arguments, int count, char **words, char *error);

#endif
