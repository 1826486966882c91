/* mstress.c: objects migrate between threads, and threads die and are born. After the stress test of
 * mimalloc (Leijen, Zorn, de Moura: "Mimalloc: Free List Sharding in Action", APLAS 2019): a thread
 * replaces objects in its own table and exchanges some with a table of transfers that all threads see.
 * After a number of operations it ends, and its successor takes its table over.
 *
 * The object that an exchange brings depends on the timing of other threads; the requested sizes and the places of
 * exchanges do not. Every word of an object is written, as mimalloc's test does, and tells how many follow it, so that the
 * thread that frees it can check all of them. */
#include "block_content.h"
#include "catalogue.h"
#include <stdatomic.h>

enum { SLOTS, TRANSFERS, LIFETIME, EXCHANGED, LARGE, PARAMETER_COUNT };

static const struct workload_parameter parameters[] = {
    [SLOTS] = {"slots", "slots", "Objects a thread keeps.", 1, 1000000, 2000},
    [TRANSFERS] = {"transfers", "slots", "Places of the table that all threads see.", 1, 1000000, 1000},
    [LIFETIME] = {"lifetime", "operations", "Operations after which a thread ends.", 1, 1000000000, 50000},
    [EXCHANGED] = {"exchanged", "%", "Share of operations that exchange with the table of transfers.", 0, 100, 20},
    [LARGE] = {"large", "in 10000", "How many allocations are a hundred times as large.", 0, 10000, 10},
};

#define MAGIC UINT64_C(0x6d73747265737321)
#define DOUBLINGS 7u /* sizes from 17 bytes to 1 KiB, each doubling as often as any other */

/* The last bytes of an object may not fill a word, and are not written. */
struct object {
    uint64_t first; /* tells how many words there are */
};

struct mstress {
    _Atomic(struct object *) *transfers;
    uint32_t slot_count, transfer_count;
    size_t mapped_bytes;
    struct object *slots[];
};

static enum workload_outcome prepare(struct workload_lane *lane)
{
    uint32_t count = (uint32_t)lane->parameters[SLOTS];
    size_t bytes = sizeof(struct mstress) + count * sizeof(struct object *);
    struct mstress *stress = lane->state = workload_map(lane, bytes);
    if (stress == NULL)
        return WORKLOAD_FAILED;
    stress->mapped_bytes = bytes;
    stress->slot_count = count;
    stress->transfer_count = (uint32_t)lane->parameters[TRANSFERS];
    stress->transfers = workload_share(lane, stress->transfer_count * sizeof *stress->transfers);
    return stress->transfers == NULL ? WORKLOAD_FAILED : WORKLOAD_DONE;
}

static uint32_t draw_bytes(const struct workload_lane *lane, uint64_t bits)
{
    uint32_t half = 8u << workload_below((uint32_t)bits, DOUBLINGS);
    uint32_t bytes = 2 * half - workload_below((uint32_t)(bits >> 8), half) + 8;
    bool is_large = workload_below((uint32_t)(bits >> 32), 10000) < (uint32_t)lane->parameters[LARGE];
    return is_large ? 100 * bytes : bytes;
}

static struct object *make(struct workload_lane *lane, uint32_t bytes)
{
    struct object *object = WORKLOAD_MALLOC(bytes);
    if (object == NULL) {
        content_fail_memory(lane, bytes);
        return NULL;
    }
    uint64_t *words = &object->first, count = bytes / sizeof *words;
    for (uint64_t i = 0; i < count; i++)
        words[i] = (count - i) ^ MAGIC;
    return object;
}

static bool destroy(struct workload_lane *lane, struct object *object)
{
    if (object == NULL)
        return true;
    const uint64_t *words = &object->first, count = *words ^ MAGIC;
    for (uint64_t i = 0; i < count; i++)
        if (words[i] != ((count - i) ^ MAGIC)) {
            content_fail_mark(lane, object);
            return false;
        }
    WORKLOAD_FREE(object);
    return true;
}

static bool replace(struct workload_lane *lane, struct mstress *stress, uint32_t slot)
{
    uint32_t bytes = draw_bytes(lane, workload_random(lane));
    struct object *replaced = stress->slots[slot];
    stress->slots[slot] = NULL;
    workload_note(lane, (uint64_t)slot << 32 | bytes);
    return destroy(lane, replaced) && (stress->slots[slot] = make(lane, bytes)) != NULL;
}

static void exchange(struct workload_lane *lane, struct mstress *stress, uint32_t slot)
{
    uint32_t place = workload_below((uint32_t)(workload_random(lane) >> 32), stress->transfer_count);
    stress->slots[slot] =
        atomic_exchange_explicit(&stress->transfers[place], stress->slots[slot], memory_order_acq_rel);
    workload_note(lane, WORKLOAD_REQUEST_FREE | (uint64_t)slot << 32 | place);
}

static enum workload_outcome run(struct workload_lane *lane)
{
    struct mstress *stress = lane->state;
    uint32_t exchanged_percent = (uint32_t)lane->parameters[EXCHANGED];
    uint64_t left = (uint64_t)lane->parameters[LIFETIME];
    do {
        uint64_t bits = workload_random(lane);
        uint32_t slot = workload_below((uint32_t)bits, stress->slot_count);
        if (workload_below((uint32_t)(bits >> 32), 100) < exchanged_percent)
            exchange(lane, stress, slot);
        else if (!replace(lane, stress, slot))
            return WORKLOAD_FAILED;
        if (!workload_continue(lane))
            return WORKLOAD_DONE;
    } while (--left != 0);
    return WORKLOAD_HAND_OVER;
}

static void finish(struct workload_lane *lane)
{
    struct mstress *stress = lane->state;
    for (uint32_t i = 0; i < stress->slot_count; i++)
        WORKLOAD_FREE(stress->slots[i]);
    if (stress->transfers != NULL)
        for (uint32_t i = lane->index; i < stress->transfer_count; i += lane->lane_count)
            WORKLOAD_FREE(atomic_load_explicit(&stress->transfers[i], memory_order_relaxed));
    workload_unmap(stress, stress->mapped_bytes);
}

const struct workload workload_mstress = {
    .name = "mstress",
    .help = "Objects migrate between threads through a shared table; threads die and are born "
            "(mimalloc's stress test, Leijen 2019).",
    .stresses = "Frees by other threads of all sizes, and memory that threads leave behind.",
    .operation = "one object replaced, or exchanged with the shared table",
    .parameters = parameters,
    .parameter_count = PARAMETER_COUNT,
    .default_threads = 4,
    .checkpoint_operations = 128,
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
