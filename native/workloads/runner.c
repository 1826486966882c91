/* runner.c: hakmem-run, which runs a workload in a process of its own, with whatever malloc is loaded. It prints one
 * line of JSON at the end. Exit status: 0 completed or stopped, 1 the workload failed, 2 wrong arguments.
 * Built with WORKLOAD_LATENCY, it is hakmem-run-latency, which samples how long calls take. */
#include "allocator_identity.h"
#include "arguments.h"
#include "catalogue.h"
#include "latency.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_WORKLOAD_FAILED = 1, EXIT_WRONG_WORDS = 2 };

static struct arguments arguments;

/* Writes by plain system calls, because stdio would allocate its buffers from the allocator under test. */
static void write_text(int descriptor, const char *text)
{
    size_t left = strlen(text);
    while (left != 0) {
        ssize_t written = write(descriptor, text, left);
        if (written < 0 && errno != EINTR)
            return; /* the reader has closed its end */
        if (written > 0) {
            text += written;
            left -= (size_t)written;
        }
    }
}

static void write_format(int descriptor, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void write_format(int descriptor, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    write_text(descriptor, text);
}

static void print_list(void)
{
    const struct workload *workload;
    for (uint32_t i = 0; (workload = workload_at(i)) != NULL; i++) {
        write_format(STDOUT_FILENO, "%s: %s\n  threads: %u; operation: %s\n", workload->name, workload->help,
                     workload->default_threads, workload->operation);
        for (uint32_t k = 0; k < workload->parameter_count; k++) {
            const struct workload_parameter *parameter = &workload->parameters[k];
            write_format(STDOUT_FILENO, "  %s = %.15g (%.15g to %.15g %s): %s\n", parameter->name,
                         parameter->default_value, parameter->minimum, parameter->maximum, parameter->unit,
                         parameter->help);
        }
    }
}

/* Starts an allocator that starts with its first call, before any process looks for its control block. */
static void start_allocator(void)
{
    void *volatile first = malloc(1);
    free(first);
}

/* Prints which allocator is loaded. The process then stays until its input ends, so that the allocator's control block can
 * be read. */
static void print_identity(void)
{
    struct allocator_identity identity;
    char input[64];
    start_allocator();
    allocator_identify(&identity);
    write_format(STDOUT_FILENO, "{\"library\": \"%s\", \"version\": \"%s\"}\n", identity.library,
                 identity.version);
    while (read(STDIN_FILENO, input, sizeof input) > 0)
        ;
}

static void write_to_output(const char *text)
{
    write_text(STDOUT_FILENO, text);
}

static void print_result(const struct workload_request *request, const struct workload_result *result)
{
    double rate = result->elapsed_s > 0 ? (double)result->operations / result->elapsed_s : 0;
    write_format(STDOUT_FILENO,
                 "{\"workload\": \"%s\", \"threads\": %u, \"seed\": %llu, \"operations\": %llu, "
                 "\"elapsed_s\": %.6f, \"operations_per_s\": %.1f, \"checksum\": \"%016llx\", "
                 "\"peak_resident_bytes\": %llu, \"status\": \"%s\"",
                 request->workload->name, request->threads, (unsigned long long)request->seed,
                 (unsigned long long)result->operations, result->elapsed_s, rate,
                 (unsigned long long)result->checksum, (unsigned long long)result->peak_resident_bytes,
                 workload_status_name(result->status));
    latency_report(write_to_output);
    write_text(STDOUT_FILENO, "}\n");
}

static void stop_on_signal(int number)
{
    (void)number;
    workload_session_stop();
}

static void announce_block(const char *path)
{
    if (arguments.ready_descriptor < 0)
        return;
    write_format(arguments.ready_descriptor, "%s\n", path);
    close(arguments.ready_descriptor);
}

/* Asks the kernel to kill this process when the thread that started it ends. That thread may have ended already. */
static void die_with_parent(long parent_pid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid)
        _exit(EXIT_WORKLOAD_FAILED);
}

/* Becomes the program. Whoever wants to know its peak of memory (wait4) gives a ready descriptor: then it becomes the
 * program in a new process, a sibling with a process group of its own, whose number is written there. The kernel keeps
 * the peak of a process across exec, and in this one that is the peak of the interpreter that started it. */
static void become_program(void)
{
    long sibling = -1;
    if (arguments.ready_descriptor >= 0)
        sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (sibling > 0)
        _exit(0);
    if (sibling == 0) {
        setpgid(0, 0);
        if (arguments.parent_pid != 0)
            die_with_parent(arguments.parent_pid);
    }
    if (arguments.ready_descriptor >= 0) {
        write_format(arguments.ready_descriptor, "%ld\n", (long)getpid());
        close(arguments.ready_descriptor);
    }
    execvp(arguments.program[0], arguments.program);
    write_format(STDERR_FILENO, "hakmem-run: %s: %s\n", arguments.program[0], strerror(errno));
    _exit(EXIT_WRONG_WORDS);
}

int main(int count, char **words)
{
    char error[WORKLOAD_ERROR_BYTES];
    if (arguments_parse(&arguments, count, words, error) != 0) {
        write_format(STDERR_FILENO, "hakmem-run: %s\n", error);
        return EXIT_WRONG_WORDS;
    }
    if (arguments.wants_help)
        write_text(STDOUT_FILENO, ARGUMENTS_HELP);
    if (arguments.wants_list)
        print_list();
    if (arguments.wants_identity)
        print_identity();
    if (arguments.wants_help || arguments.wants_list || arguments.wants_identity)
        return 0;
    if (arguments.parent_pid != 0)
        die_with_parent(arguments.parent_pid);
    if (arguments.program != NULL)
        become_program();

    struct sigaction stop = {.sa_handler = stop_on_signal};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);

    start_allocator();

    struct workload_result result;
    workload_session_run(&arguments.request, &result, announce_block);
    print_result(&arguments.request, &result);
    if (result.status == WORKLOAD_STATUS_FAILED) {
        write_format(STDERR_FILENO, "hakmem-run: %s\n", result.error);
        return EXIT_WORKLOAD_FAILED;
    }
    return 0;
}
