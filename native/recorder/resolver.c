/* resolver.c: turns records into events. */
#include "resolver.h"

#include "address_map.h"
#include "processor.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Kinds of the trace format. */
enum { EVENT_MALLOC, EVENT_CALLOC, EVENT_ALIGNED, EVENT_REALLOC, EVENT_FREE, EVENT_THREAD_START, EVENT_THREAD_END };

/* A realloc whose end was not seen yet. */
struct pending {
    bool is_open, is_known;
    uint64_t address, number, size;
};

struct hak_resolver {
    struct spool_head *head;
    struct address_map objects; /* number of the object, and its size in bytes, by address */
    struct address_map sites;   /* number of the call site, by return address times 16 (find_site) */
    struct pending *pending;    /* indexed by thread */
    uint32_t pending_capacity;
    uint32_t map_copies;
    uint64_t site_count;
    int64_t last_ns;
    double ns_per_tick;
    struct hak_resolver_totals totals;
};

/* Where the events of one call go. */
struct output {
    struct hak_event_columns *columns;
    struct hak_new_sites *new_sites;
    int64_t count;
};

struct call {
    unsigned kind;
    uint32_t thread, site;
    uint64_t address, value, alignment;
    int64_t time_ns;
};

void *hak_spool_map(const char *path, uint64_t bytes, int is_writable)
{
    struct stat status;
    int file = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return NULL;
    void *mapped = MAP_FAILED;
    if (!fstat(file, &status)) {
        if ((uint64_t)status.st_size < bytes)
            errno = EBADMSG; /* reading behind the end of the file would raise SIGBUS */
        else
            mapped = mmap(NULL, bytes, PROT_READ | (is_writable ? PROT_WRITE : 0), MAP_SHARED, file, 0);
    }
    int error = errno;
    close(file);
    errno = error;
    return mapped == MAP_FAILED ? NULL : mapped;
}

void hak_spool_unmap(void *mapped, uint64_t bytes)
{
    munmap(mapped, bytes);
}

struct hak_resolver *hak_resolver_new(void *head)
{
    struct spool_head *spool = head;
    if (spool->magic != SPOOL_MAGIC)
        return NULL;
    struct hak_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver)
        resolver->head = spool;
    return resolver;
}

void hak_resolver_free(struct hak_resolver *resolver)
{
    if (!resolver)
        return;
    address_map_clear(&resolver->objects);
    address_map_clear(&resolver->sites);
    free(resolver->pending);
    free(resolver);
}

void hak_resolver_state(const struct hak_resolver *resolver, struct hak_spool_state *out)
{
    const struct spool_head *head = resolver->head;
    out->pid = head->pid;
    out->parent_pid = head->parent_pid;
    out->clock_is_tsc = head->clock_is_tsc;
    out->start_realtime_ns = head->start_realtime_ns;
    out->command_bytes = head->command_bytes < sizeof out->command ? head->command_bytes : sizeof out->command;
    memcpy(out->program, head->program, sizeof out->program);
    out->program[sizeof out->program - 1] = 0;
    memcpy(out->command, head->command, sizeof out->command);
    out->stopped = atomic_load_explicit(&head->stopped, memory_order_acquire);
    out->ended = atomic_load_explicit(&head->ended, memory_order_acquire);
    out->threads = atomic_load_explicit(&head->threads, memory_order_relaxed);
    out->next = atomic_load_explicit(&head->next, memory_order_acquire);
}

void hak_resolver_totals(const struct hak_resolver *resolver, struct hak_resolver_totals *out)
{
    *out = resolver->totals;
}

void hak_resolver_set_consumed(struct hak_resolver *resolver, uint64_t records)
{
    atomic_store_explicit(&resolver->head->consumed, records, memory_order_release);
}

void hak_resolver_stop(struct hak_resolver *resolver)
{
    atomic_store_explicit(&resolver->head->stop, 1, memory_order_relaxed);
}

void hak_resolver_lose(struct hak_resolver *resolver, uint64_t records)
{
    resolver->totals.lost_records += records;
}

uint32_t hak_spool_segment_records(void)
{
    return SPOOL_SEGMENT_RECORDS;
}

/* --- time --------------------------------------------------------------------------------------------- */

/* Computes the counter's rate from the recording's start to now, between which all records lie. */
static void calibrate(struct hak_resolver *resolver)
{
    resolver->ns_per_tick = 1;
    if (!resolver->head->clock_is_tsc)
        return;
    struct timespec now;
    uint64_t ticks = processor_ticks() - resolver->head->start_clock;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (ticks)
        resolver->ns_per_tick = (double)(now_ns - resolver->head->start_monotonic_ns) / (double)ticks;
}

/* Threads read the clock just before they take a number, so the times of records may fall a little. Those of a trace must
 * not. */
static int64_t time_of(struct hak_resolver *resolver, uint64_t clock)
{
    int64_t ticks = (int64_t)(clock - resolver->head->start_clock);
    int64_t time_ns = ticks > 0 ? (int64_t)((double)ticks * resolver->ns_per_tick) : 0;
    if (time_ns < resolver->last_ns)
        time_ns = resolver->last_ns;
    return resolver->last_ns = time_ns;
}

/* --- events ------------------------------------------------------------------------------------------- */

/* Finds the number of a return address. The table hashes multiples of 16, and a return address need not be one. */
static bool find_site(struct hak_resolver *resolver, struct output *out, uint64_t address, uint32_t *site)
{
    uint64_t key = address << 4 | 1;
    struct address_entry *entry = address_map_find(&resolver->sites, key);
    if (!entry) {
        entry = address_map_add(&resolver->sites, key);
        if (!entry)
            return false;
        entry->number = resolver->site_count++;
        out->new_sites->address[out->new_sites->count] = address;
        out->new_sites->map_copies[out->new_sites->count] = resolver->map_copies;
        out->new_sites->count++;
    }
    *site = (uint32_t)entry->number;
    return true;
}

static void emit(struct output *out, const struct call *call, unsigned kind, uint64_t object, uint64_t bytes)
{
    struct hak_event_columns *columns = out->columns;
    int64_t at = out->count++;
    bool is_thread = kind >= EVENT_THREAD_START;
    columns->kind[at] = (uint8_t)kind;
    columns->thread[at] = call->thread;
    columns->object_id[at] = is_thread ? 0 : object;
    columns->size_bytes[at] = bytes;
    columns->alignment_bytes[at] = kind == EVENT_ALIGNED ? call->alignment : 0;
    columns->site[at] = is_thread ? 0 : call->site;
    columns->time_ns[at] = call->time_ns;
}

static void change_live(struct hak_resolver *resolver, uint64_t added, uint64_t taken)
{
    struct hak_resolver_totals *totals = &resolver->totals;
    totals->live_bytes += added - taken;
    if (totals->live_bytes > totals->peak_live_bytes)
        totals->peak_live_bytes = totals->live_bytes;
}

/* Puts an object at an address. If an object is still there, its free was not recorded. */
static bool put_object(struct hak_resolver *resolver, struct output *out, const struct call *call, uint64_t address,
                       uint64_t number, uint64_t bytes)
{
    struct address_entry *entry = address_map_find(&resolver->objects, address);
    if (entry) {
        resolver->totals.missed_frees++;
        emit(out, call, EVENT_FREE, entry->number, 0);
        change_live(resolver, 0, entry->size);
    } else if (!(entry = address_map_add(&resolver->objects, address))) {
        return false;
    }
    entry->number = number;
    entry->size = bytes;
    return true;
}

static bool allocate(struct hak_resolver *resolver, struct output *out, const struct call *call, unsigned kind)
{
    uint64_t number = resolver->totals.objects;
    if (!put_object(resolver, out, call, call->address, number, call->value))
        return false;
    resolver->totals.objects++;
    change_live(resolver, call->value, 0);
    emit(out, call, kind, number, call->value);
    return true;
}

static void release(struct hak_resolver *resolver, struct output *out, const struct call *call)
{
    struct address_entry *entry = address_map_find(&resolver->objects, call->address);
    if (!entry) {
        resolver->totals.unknown_frees++;
        return;
    }
    emit(out, call, EVENT_FREE, entry->number, 0);
    change_live(resolver, 0, entry->size);
    address_map_remove(&resolver->objects, entry);
}

static struct pending *pending_of(struct hak_resolver *resolver, uint32_t thread)
{
    if (thread >= resolver->pending_capacity) {
        uint32_t capacity = resolver->pending_capacity ? resolver->pending_capacity : 64;
        while (capacity <= thread && capacity < UINT32_MAX / 2)
            capacity *= 2;
        struct pending *bigger = realloc(resolver->pending, capacity * sizeof *bigger);
        if (!bigger)
            return NULL;
        memset(bigger + resolver->pending_capacity, 0,
               (capacity - resolver->pending_capacity) * sizeof *bigger);
        resolver->pending = bigger;
        resolver->pending_capacity = capacity;
    }
    return &resolver->pending[thread];
}

/* From now on another object may get the old address. */
static bool begin_realloc(struct hak_resolver *resolver, const struct call *call)
{
    struct pending *pending = pending_of(resolver, call->thread);
    if (!pending)
        return false;
    struct address_entry *entry = address_map_find(&resolver->objects, call->address);
    *pending = (struct pending){.is_open = true, .is_known = entry, .address = call->address};
    if (entry) {
        pending->number = entry->number;
        pending->size = entry->size;
        address_map_remove(&resolver->objects, entry);
    }
    return true;
}

static bool end_realloc(struct hak_resolver *resolver, struct output *out, const struct call *call)
{
    struct pending *open = pending_of(resolver, call->thread);
    if (!open)
        return false;
    struct pending pending = *open;
    open->is_open = false;
    if (!call->address && call->value) { /* it failed, so the old block stays */
        return !pending.is_known ||
               put_object(resolver, out, call, pending.address, pending.number, pending.size);
    }
    if (!pending.is_known) {
        resolver->totals.unknown_frees++;
        return !call->address || allocate(resolver, out, call, EVENT_MALLOC);
    }
    if (!call->address) { /* realloc to 0 bytes freed the block */
        emit(out, call, EVENT_FREE, pending.number, 0);
        change_live(resolver, 0, pending.size);
        return true;
    }
    if (!put_object(resolver, out, call, call->address, pending.number, call->value))
        return false;
    change_live(resolver, call->value, pending.size);
    emit(out, call, EVENT_REALLOC, pending.number, call->value);
    return true;
}

static bool resolve(struct hak_resolver *resolver, struct output *out, struct call *call, uint64_t site_address)
{
    if (call->kind < SPOOL_THREAD_START && !find_site(resolver, out, site_address, &call->site))
        return false;
    switch (call->kind) {
    case SPOOL_MALLOC:
        return allocate(resolver, out, call, EVENT_MALLOC);
    case SPOOL_CALLOC:
        return allocate(resolver, out, call, EVENT_CALLOC);
    case SPOOL_ALIGNED:
        return allocate(resolver, out, call, EVENT_ALIGNED);
    case SPOOL_FREE:
        release(resolver, out, call);
        return true;
    case SPOOL_REALLOC_BEGIN:
        return begin_realloc(resolver, call);
    case SPOOL_REALLOC_END:
        return end_realloc(resolver, out, call);
    case SPOOL_THREAD_START:
        emit(out, call, EVENT_THREAD_START, 0, 0);
        return true;
    case SPOOL_THREAD_END:
        emit(out, call, EVENT_THREAD_END, 0, 0);
        return true;
    case SPOOL_MODULES:
        resolver->map_copies = (uint32_t)call->value;
        if (call->address)
            address_map_clear(&resolver->sites);
        return true;
    default: /* the spool is damaged */
        resolver->totals.lost_records++;
        return true;
    }
}

int64_t hak_resolver_run(struct hak_resolver *resolver, const void *segment, uint32_t first, uint32_t count,
                         int is_final, struct hak_event_columns *columns, struct hak_new_sites *sites,
                         uint32_t *taken)
{
    struct output out = {.columns = columns, .new_sites = sites};
    const struct spool_record *records = segment;
    *taken = 0;
    if (first > SPOOL_SEGMENT_RECORDS || count > SPOOL_SEGMENT_RECORDS - first)
        return -1;
    calibrate(resolver);
    for (uint32_t i = first; i < first + count && sites->count < sites->capacity; i++, ++*taken) {
        uint64_t word[4];
        word[3] = atomic_load_explicit(&records[i].word[3], memory_order_acquire);
        if (!word[3]) {
            if (!is_final)
                break;
            resolver->totals.lost_records++;
            continue;
        }
        for (int part = 0; part < 3; part++)
            word[part] = atomic_load_explicit(&records[i].word[part], memory_order_relaxed);
        unsigned alignment_log2 = (unsigned)(word[0] >> 56);
        struct call call = {
            .kind = (unsigned)(word[0] >> SPOOL_VALUE_BITS) & 0xFF,
            .thread = (uint32_t)(word[1] >> SPOOL_VALUE_BITS << 16 | word[2] >> SPOOL_VALUE_BITS),
            .address = word[0] & SPOOL_VALUE_MASK,
            .value = word[1] & SPOOL_VALUE_MASK,
            .alignment = alignment_log2 && alignment_log2 < 64 ? UINT64_C(1) << alignment_log2 : 0,
            .time_ns = time_of(resolver, word[3]),
        };
        if (!resolve(resolver, &out, &call, word[2] & SPOOL_VALUE_MASK))
            return -1;
    }
    return out.count;
}
