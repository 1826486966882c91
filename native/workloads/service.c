/* service.c: a service with requests, sessions, bursts and quiet times. A request allocates objects of its
 * own and a buffer, is open for a while beside others, and frees them when it is answered; now and then
 * one adds an object to a session. After a burst all requests are answered, a share of the sessions
 * expires, and only a trickle of requests comes: memory given back then is seen in the resident bytes.
 * Requests that live and die with their objects are those of Apache in Berger, Zorn and McKinley,
 * "Reconsidering Custom Memory Allocation", OOPSLA 2002; sessions are the data that stays in Larson and
 * Krishnan, "Memory Allocation for Long-Running Server Applications", ISMM 1998.
 *
 * Bursts are counted in requests, so the sequence of requests is the same however long idling takes. */
#include "block_content.h"
#include "catalogue.h"

enum { OBJECTS, BUFFER, OPEN, SESSIONS, BURST, IDLE_MS, EXPIRING, PARAMETER_COUNT };

#define SESSION_OBJECTS 16u
#define SESSION_INTERVAL 4u /* one request in so many adds an object to a session */
#define SMALL_DOUBLINGS 7u  /* objects of 16 bytes to 2 KiB, each doubling as often as any other */
#define QUIET_REQUESTS 20u  /* number of requests in a quiet time, evenly spread */

static const struct workload_parameter parameters[] = {
    [OBJECTS] = {"objects", "objects", "Most objects of a request; 1 to so many.", 1, 1000, 40},
    [BUFFER] = {"buffer", "bytes", "Buffer that each request has besides.", 1, 16777216, 32768},
    [OPEN] = {"open", "requests", "Requests of a thread that are open at a time in a burst.", 1, 100000, 1000},
    [SESSIONS] = {"sessions", "sessions", "Sessions of a thread, of up to 16 objects.", 1, 1000000, 10000},
    [BURST] = {"burst", "requests", "Requests of a thread between two quiet times.", 1, 1000000000, 200000},
    [IDLE_MS] = {"idle_ms", "ms", "How long a quiet time is; 20 requests come in it.", 0, 600000, 2000},
    [EXPIRING] = {"expiring", "%", "Share of the sessions that ends when it gets quiet.", 0, 100, 75},
};

struct session {
    uint32_t object_count;
    struct content_block objects[SESSION_OBJECTS];
};

/* An open request's blocks are a row of `blocks`: the buffer, then the objects, then empty places. */
struct service {
    uint32_t session_count, open_count, row_blocks;
    uint32_t until_quiet, quiet_left, until_session;
    size_t mapped_bytes;
    struct content_block *blocks;
    struct session sessions[];
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t sessions = (uint32_t)lane->parameters[SESSIONS], open = (uint32_t)lane->parameters[OPEN];
    uint32_t row_blocks = 1 + (uint32_t)lane->parameters[OBJECTS];
    size_t bytes = sizeof(struct service) + sessions * sizeof(struct session) +
                   (size_t)open * row_blocks * sizeof(struct content_block);
    struct service *service = lane->state = workload_map(lane, bytes);
    if (service == NULL)
        return WORKLOAD_FAILED;
    service->mapped_bytes = bytes;
    service->session_count = sessions;
    service->open_count = open;
    service->row_blocks = row_blocks;
    service->blocks = (struct content_block *)(void *)(service->sessions + sessions);
    service->until_quiet = (uint32_t)lane->parameters[BURST];
    service->until_session = SESSION_INTERVAL;
    return WORKLOAD_DONE;
}

static uint32_t draw_bytes(struct workload_lane *lane)
{
    uint64_t bits = workload_random(lane);
    uint32_t half = 8u << workload_below((uint32_t)bits, SMALL_DOUBLINGS);
    return 2 * half + workload_below((uint32_t)(bits >> 32), 2 * half);
}

static bool end_session(struct workload_lane *lane, struct session *session)
{
    while (session->object_count != 0) {
        session->object_count--;
        if (!content_release(lane, &session->objects[session->object_count], session->object_count))
            return false;
    }
    return true;
}

/* Adds an object to a session. A full session first ends and starts anew. */
static bool add_to_session(struct workload_lane *lane, struct service *service)
{
    uint32_t chosen = workload_below((uint32_t)(workload_random(lane) >> 32), service->session_count);
    struct session *session = &service->sessions[chosen];
    if (session->object_count == SESSION_OBJECTS && !end_session(lane, session))
        return false;
    if (!content_allocate(lane, &session->objects[session->object_count], draw_bytes(lane)))
        return false;
    session->object_count++;
    return true;
}

static struct content_block *request_row(const struct service *service, uint32_t place)
{
    return &service->blocks[(size_t)place * service->row_blocks];
}

/* Does nothing if no request is open at this place. */
static bool answer_request(struct workload_lane *lane, struct service *service, uint32_t place)
{
    struct content_block *row = request_row(service, place);
    for (uint32_t i = 0; i < service->row_blocks && row[i].address != NULL; i++)
        if (!content_release(lane, &row[i], i))
            return false;
    return true;
}

static bool open_request(struct workload_lane *lane, struct service *service, uint32_t place)
{
    struct content_block *row = request_row(service, place);
    uint32_t count = 1 + workload_below((uint32_t)(workload_random(lane) >> 32), service->row_blocks - 1);
    if (!content_allocate(lane, &row[0], (uint32_t)lane->parameters[BUFFER]))
        return false;
    for (uint32_t i = 1; i <= count; i++)
        if (!content_allocate(lane, &row[i], draw_bytes(lane)))
            return false;
    if (--service->until_session != 0)
        return true;
    service->until_session = SESSION_INTERVAL;
    return add_to_session(lane, service);
}

static bool replace_request(struct workload_lane *lane, struct service *service)
{
    uint32_t place = workload_below((uint32_t)(workload_random(lane) >> 32), service->open_count);
    return answer_request(lane, service, place) && open_request(lane, service, place);
}

static bool expire_sessions(struct workload_lane *lane, struct service *service)
{
    uint32_t percent = (uint32_t)lane->parameters[EXPIRING];
    for (uint32_t i = 0; i < service->session_count; i++)
        if (workload_below((uint32_t)(workload_random(lane) >> 32), 100) < percent &&
            !end_session(lane, &service->sessions[i]))
            return false;
    return true;
}

/* Called at the end of a burst: answers all requests and expires sessions. */
static bool get_quiet(struct workload_lane *lane, struct service *service)
{
    for (uint32_t place = 0; place < service->open_count; place++)
        if (!answer_request(lane, service, place))
            return false;
    service->quiet_left = QUIET_REQUESTS;
    service->until_quiet = (uint32_t)lane->parameters[BURST];
    return expire_sessions(lane, service);
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct service *service = lane->state;
    uint32_t rest_ms = (uint32_t)lane->parameters[IDLE_MS] / QUIET_REQUESTS;
    do {
        bool is_done;
        if (service->quiet_left != 0) {
            service->quiet_left--;
            if (!workload_rest(lane, rest_ms))
                return WORKLOAD_DONE;
            is_done = open_request(lane, service, 0) && answer_request(lane, service, 0);
        } else {
            is_done = replace_request(lane, service) &&
                      (--service->until_quiet != 0 || get_quiet(lane, service));
        }
        if (!is_done)
            return WORKLOAD_FAILED;
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct service *service = lane->state;
    content_release_all(service->blocks, (size_t)service->open_count * service->row_blocks);
    for (uint32_t i = 0; i < service->session_count; i++)
        content_release_all(service->sessions[i].objects, service->sessions[i].object_count);
    workload_unmap(service, service->mapped_bytes);
}

const struct workload workload_service = {
    .name = "service",
    .help = "Requests with short-lived objects, sessions that stay, bursts and quiet times.",
    .stresses = "Mixed lifetimes under load, and giving memory back when it gets quiet.",
    .operation = "one request: a buffer and about 20 objects, allocated and freed later",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 8,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
