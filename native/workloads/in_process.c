/* in_process.c: runs a session in a thread of its own, so that the call that starts it returns. */
#include "in_process.h"
#include "catalogue.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t controller;
    bool was_started, is_ready, has_ended, is_joined;
    char path[128];
    struct workload_request request;
    struct workload_result result;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void note_ready(const char *path)
{
    pthread_mutex_lock(&run.lock);
    snprintf(run.path, sizeof run.path, "%s", path);
    run.is_ready = true;
    pthread_cond_broadcast(&run.changed);
    pthread_mutex_unlock(&run.lock);
}

static void *control(void *unused)
{
    (void)unused;
    workload_session_run(&run.request, &run.result, note_ready);
    pthread_mutex_lock(&run.lock);
    run.has_ended = true;
    pthread_cond_broadcast(&run.changed);
    pthread_mutex_unlock(&run.lock);
    return NULL;
}

static void join_locked(void)
{
    if (run.was_started && run.has_ended && !run.is_joined) {
        pthread_join(run.controller, NULL); /* it takes no lock any more, so this does not wait for ever */
        run.is_joined = true;
    }
}

static int start_locked(char *error)
{
    join_locked();
    if (run.was_started && !run.has_ended) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "a workload runs in this process already: stop it first");
        return -1;
    }
    run.is_ready = run.has_ended = run.is_joined = false;
    run.path[0] = '\0';
    int refusal = pthread_create(&run.controller, NULL, control, NULL);
    run.was_started = refusal == 0;
    if (refusal != 0) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "the system refused a thread: %s", strerror(refusal));
        return -1;
    }
    while (!run.is_ready && !run.has_ended)
        pthread_cond_wait(&run.changed, &run.lock);
    if (!run.is_ready) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "%s", run.result.error);
        return -1;
    }
    return 0;
}

int hak_workload_start(const char *name, const double *parameters, uint32_t threads, uint64_t seed,
                       double seconds, uint64_t operations, int starts_paused, char *error)
{
    const struct workload *workload = workload_find(name);
    if (workload == NULL) {
        snprintf(error, WORKLOAD_ERROR_BYTES, "there is no workload '%.60s'", name);
        return -1;
    }
    struct workload_request request;
    workload_request_init(&request, workload);
    for (uint32_t i = 0; i < workload->parameter_count; i++)
        request.parameters[i] = parameters[i];
    request.threads = threads;
    request.seed = seed;
    request.seconds = seconds;
    request.operations = operations;
    request.starts_paused = starts_paused != 0;
    if (workload_request_check(&request, error) != 0)
        return -1;
    pthread_mutex_lock(&run.lock);
    if (!run.was_started || run.has_ended)
        run.request = request;
    int outcome = start_locked(error);
    pthread_mutex_unlock(&run.lock);
    return outcome;
}

const char *hak_workload_path(void)
{
    return run.path;
}

int hak_workload_poll(struct workload_result *result)
{
    pthread_mutex_lock(&run.lock);
    int outcome = !run.was_started ? -1 : run.has_ended;
    join_locked();
    if (outcome == 1)
        *result = run.result;
    pthread_mutex_unlock(&run.lock);
    return outcome;
}

void hak_workload_stop(void)
{
    pthread_mutex_lock(&run.lock);
    if (run.was_started && !run.has_ended)
        workload_session_stop();
    while (run.was_started && !run.has_ended)
        pthread_cond_wait(&run.changed, &run.lock);
    join_locked();
    pthread_mutex_unlock(&run.lock);
}
