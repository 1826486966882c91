/* service.c: a service with requests, sessions, bursts and quiet times. A request allocates objects of its
 * own, works, and frees them when it is answered; now and then it adds an object to a session, or ends
 * one. After a burst a share of the sessions expires and the service stands idle: memory given back then
 * is seen in the resident bytes. Requests that live and die with their objects are those of Apache in
 * Berger, Zorn and McKinley, "Reconsidering Custom Memory Allocation", OOPSLA 2002; sessions are the data
 * that stays in Larson and Krishnan, "Memory Allocation for Long-Running Server Applications", ISMM 1998.
 *
 * Bursts are counted in requests, so the sequence of requests is the same however long idling takes. */
#include "block_content.h"
#include "catalogue.h"

enum { OBJECTS, BUFFER, SESSIONS, BURST, IDLE_MS, EXPIRING, PARAMETER_COUNT };

#define MOST_OBJECTS 1000u
#define SESSION_OBJECTS 16u
#define SESSION_INTERVAL 4u /* one request in so many adds to a session */
#define SMALL_DOUBLINGS 7u  /* objects of 16 bytes to 2 KiB, each doubling as often as any other */

static const struct workload_parameter parameters[] = {
    [OBJECTS] = {"objects", "objects", "Most objects of a request; 1 to so many.", 1, MOST_OBJECTS, 40},
    [BUFFER] = {"buffer", "bytes", "Buffer that each request has besides.", 1, 16777216, 16384},
    [SESSIONS] = {"sessions", "sessions", "Sessions of a thread, of up to 16 objects.", 1, 1000000, 10000},
    [BURST] = {"burst", "requests", "Requests of a thread between two quiet times.", 1, 1000000000, 200000},
    [IDLE_MS] = {"idle_ms", "ms", "How long a quiet time is.", 0, 600000, 1500},
    [EXPIRING] = {"expiring", "%", "Share of the sessions that ends when it gets quiet.", 0, 100, 75},
};

struct session {
    uint32_t object_count;
    struct content_block objects[SESSION_OBJECTS];
};

struct service {
    uint32_t session_count, until_idle, until_session;
    size_t mapped_bytes;
    struct content_block buffer;
    struct content_block objects[MOST_OBJECTS];
    struct session sessions[];
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[SESSIONS];
    size_t bytes = sizeof(struct service) + (size_t)count * sizeof(struct session);
    struct service *service = lane->state = workload_map(lane, bytes);
    if (service == NULL)
        return WORKLOAD_FAILED;
    service->mapped_bytes = bytes;
    service->session_count = count;
    service->until_idle = (uint32_t)lane->parameters[BURST];
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

/* A full session ends and starts anew. */
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

static bool answer_request(struct workload_lane *lane, struct service *service)
{
    uint32_t most = (uint32_t)lane->parameters[OBJECTS];
    uint32_t count = 1 + workload_below((uint32_t)(workload_random(lane) >> 32), most);
    if (!content_allocate(lane, &service->buffer, (uint32_t)lane->parameters[BUFFER]))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!content_allocate(lane, &service->objects[i], draw_bytes(lane)))
            return false;
    if (--service->until_session == 0) {
        service->until_session = SESSION_INTERVAL;
        if (!add_to_session(lane, service))
            return false;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!content_release(lane, &service->objects[i], i))
            return false;
    return content_release(lane, &service->buffer, 0);
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

static enum workload_outcome run(struct workload_lane *lane)
{
    struct service *service = lane->state;
    uint32_t idle_ms = (uint32_t)lane->parameters[IDLE_MS];
    do {
        if (!answer_request(lane, service))
            return WORKLOAD_FAILED;
        if (--service->until_idle == 0) {
            service->until_idle = (uint32_t)lane->parameters[BURST];
            if (!expire_sessions(lane, service))
                return WORKLOAD_FAILED;
            if (!workload_rest(lane, idle_ms))
                return WORKLOAD_DONE;
        }
    } while (workload_continue(lane));
    return WORKLOAD_DONE;
}

static void finish(struct workload_lane *lane)
{
    struct service *service = lane->state;
    WORKLOAD_FREE(service->buffer.address);
    content_release_all(service->objects, MOST_OBJECTS);
    for (uint32_t i = 0; i < service->session_count; i++)
        content_release_all(service->sessions[i].objects, service->sessions[i].object_count);
    workload_unmap(service, service->mapped_bytes);
}

const struct workload workload_service = {
    .name = "service",
    .help = "Requests with short-lived objects, sessions that stay, bursts and quiet times.",
    .stresses = "Mixed lifetimes under load, and giving memory back when it gets quiet.",
    .operation = "one request: about 20 objects and a buffer, allocated and freed",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 2,
    .checkpoint_operations = 8,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
