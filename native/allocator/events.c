/* events.c: appends the allocator's events to the ring, and prints log lines from it. */
#include "events.h"

#include "clock.h"
#include "lock.h"
#include "os.h"
#include "settings.h"
#include "size_class.h"
#include "system_call.h"
#include "telemetry.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Guards the variables below. No thread waits for it. */
static struct lock log_lock;
static _Atomic int log_descriptor = -1; /* relaxed: no other data depends on it */
static uint64_t log_cursor;
static uint32_t grow_counts[ROUTE_GROUP_COUNT + 1], shrink_counts[ROUTE_GROUP_COUNT + 1];

#define EVENTS_PER_PAGE (SMALLEST_PAGE_BYTES / sizeof(struct hak_event))
_Static_assert(SMALLEST_PAGE_BYTES % sizeof(struct hak_event) == 0, "events do not straddle pages");
#define EVENTS_IN_PROCESS (8 * EVENTS_PER_PAGE) /* the pages of more events do not stay in the process; a fault brings up to 16 */

/* On the first lap, makes each page of the ring present before it is written. Returns false if tmpfs has no page left. */
static bool is_slot_present(void)
{
    uint64_t index = atomic_load_explicit(&control_block.header->event_head, memory_order_relaxed);
    if (UNLIKELY(index % EVENTS_IN_PROCESS == 0 && index) && !os_is_confined())
        hak_block_forget_events(&control_block);
    if (LIKELY(index > control_block.event_mask || index % EVENTS_PER_PAGE != 0))
        return true;
    return os_populate(&control_block.events[index], SMALLEST_PAGE_BYTES);
}

void event_append(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                  double old_value, double new_value)
{
    event_append_detail(actor, kind, cause, item, old_value, new_value, 0);
}

void event_append_detail(const struct actor *actor, enum event_kind kind, enum event_cause cause, uint32_t item,
                         double old_value, double new_value, uint32_t detail)
{
    if (!is_slot_present()) {
        telemetry_add(&control_block.header->event_lost, 1);
        return;
    }
    struct hak_event event = {
        .time_ns = os_now_ns(),
        .operation = actor ? actor->operations : 0,
        .old_value = old_value,
        .new_value = new_value,
        .thread = actor ? actor->thread_id : os_thread_id(),
        .kind = (uint16_t)kind,
        .cause = (uint16_t)cause,
        .item = item,
        .detail = detail,
    };
    hak_block_append_event(&control_block, &event);
}

uint32_t event_sum_add(struct event_sum *sum, const struct actor *actor, uint32_t count)
{
    uint32_t now_ms = clock_now_ms(actor), told;
    sum->untold += count;
    if (sum->last_ms && (int32_t)(now_ms - sum->last_ms) < EVENT_SUM_PERIOD_MS)
        return 0;
    told = sum->untold;
    *sum = (struct event_sum){.last_ms = now_ms};
    return told;
}

void event_log_open(void)
{
    if (log_descriptor >= 0)
        return;
    log_descriptor = os_is_confined() ? STDERR_FILENO
                                      : (int)SYSTEM_CALL(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
}

void event_log_reset_lock(void)
{
    lock_reset(&log_lock);
}

void event_log_after_fork(void)
{
    log_cursor = 0; /* the child's ring starts empty */
}

/* Writes the log line of an event and returns its length, or 0 if the event has none. glibc's snprintf does not allocate
 * for integers and decimals with one place. */
static int format_line(char *line, size_t capacity, const struct hak_event *event)
{
    unsigned old_value = (unsigned)event->old_value, new_value = (unsigned)event->new_value;
    unsigned group = event->item < SIZE_CLASS_COUNT ? size_classes[event->item].group : 0;
    switch (event->kind) {
    case EVENT_TLS_GROW:
        return snprintf(line, capacity, "[TLS_CACHE] Grow class %u: %u → %u slots (grow_count=%u)\n", group, old_value,
                        new_value, ++grow_counts[group]);
    case EVENT_TLS_SHRINK:
        return snprintf(line, capacity, "[TLS_CACHE] Shrink class %u: %u → %u slots (shrink_count=%u)\n", group,
                        old_value, new_value, ++shrink_counts[group]);
    case EVENT_TLS_KEEP:
        return snprintf(line, capacity, "[TLS_CACHE] Keep class %u at %u slots (usage=%.1f%%)\n", group, old_value,
                        (double)event->detail);
    case EVENT_BIG_RESIZE:
        return snprintf(line, capacity, "[BIGCACHE] Resized: %u → %u buckets (%u entries)\n", old_value, new_value,
                        event->detail);
    case EVENT_L25_EXPAND:
        if (new_value <= old_value)
            return snprintf(line, capacity, "[L2.5_POOL] Reduced shards: %u → %u\n", old_value, new_value);
        return snprintf(line, capacity,
                        "[L2.5_POOL] High load detected (avg=%u), expanding shards\n"
                        "[L2.5_POOL] Expanded shards: %u → %u\n",
                        event->detail, old_value, new_value);
    default:
        return 0;
    }
}

/* Copies a complete event, word by word, as it is written. Returns false if it was overwritten meanwhile. */
static bool read_event(struct hak_event *slot, uint64_t complete, struct hak_event *copy)
{
    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != complete)
        return false;
    typedef uint64_t __attribute__((may_alias)) shared_word;
    const shared_word *from = (const shared_word *)slot;
    shared_word *to = (shared_word *)copy;
    for (size_t word = 1; word < sizeof *slot / sizeof *from; word++)
        to[word] = __atomic_load_n(&from[word], __ATOMIC_ACQUIRE); /* acquire keeps the second look behind it */
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == complete;
}

static void print(const char *line, int length)
{
    while (length > 0) {
        long written = SYSTEM_CALL(SYS_write, log_descriptor, line, length);
        if (written <= 0)
            return;
        line += written;
        length -= (int)written;
    }
}

void event_log_acquire(enum acquire_stage stage, uint32_t class_index, const void *chunk_base, unsigned slab_index)
{
    static const char *const forms[ACQUIRE_STAGE_COUNT] = {
        [ACQUIRE_LAST] = "[SP_ACQUIRE_STAGE0_L0] class=%u reuse hot slot (ss=%p slab=%u)\n",
        [ACQUIRE_RECYCLED] = "[SP_ACQUIRE_STAGE0.5_EMPTY] class=%u reusing EMPTY slab (ss=%p slab=%u)\n",
        [ACQUIRE_HINT] = "[SP_ACQUIRE_STAGE2_HINT] class=%u claimed UNUSED slot (ss=%p slab=%u)\n",
        [ACQUIRE_MASK] = "[SP_ACQUIRE_STAGE2_MASK] class=%u claimed UNUSED slot (ss=%p slab=%u)\n",
        [ACQUIRE_NEW] = "[SP_ACQUIRE_STAGE3] class=%u new SuperSlab (ss=%p slab=%u)\n",
    };
    if (LIKELY(!SETTING(log_acquire)) || log_descriptor < 0)
        return;
    int saved_errno = errno;
    char line[128];
    unsigned group = class_index < SIZE_CLASS_COUNT ? size_classes[class_index].group : ROUTE_GROUP_COUNT + 1;
    print(line, snprintf(line, sizeof line, forms[stage], group, chunk_base, slab_index));
    errno = saved_errno;
}

void event_log_print(void)
{
    if (log_descriptor < 0 || !lock_try(&log_lock))
        return;
    int saved_errno = errno;
    if (log_cursor == 0) {
        char line[128];
        print(line, snprintf(line, sizeof line,
                             "[ADAPTIVE] Adaptive sizing initialized (initial_cap=%d, min=%d, max=%d)\n",
                             (int)SETTING(tls_initial_slots), (int)SETTING(tls_min_slots), (int)SETTING(tls_max_slots)));
    }
    uint64_t head = atomic_load_explicit(&control_block.header->event_head, memory_order_acquire);
    if (head - log_cursor > control_block.event_mask)
        log_cursor = head - control_block.event_mask;
    for (; log_cursor < head; log_cursor++) {
        struct hak_event *slot = &control_block.events[log_cursor & control_block.event_mask];
        uint64_t complete = 2 * log_cursor + 2;
        if (atomic_load_explicit(&slot->sequence, memory_order_acquire) < complete)
            break; /* it is being written, and printed next time */
        struct hak_event event;
        if (!read_event(slot, complete, &event))
            continue; /* overwritten */
        char line[256];
        print(line, format_line(line, sizeof line, &event));
    }
    errno = saved_errno;
    lock_release(&log_lock);
}
