/* writer.c: makes and publishes control blocks (writer.h). It runs inside malloc's initialisation and in
 * the child of a fork, so it allocates nothing, prints nothing, reads no environment, and makes system calls by
 * system_call.h, which keeps errno and calls no function of the C library. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer.h"
#include "system_call.h"
#include "system_clock.h"
#include "system_page.h"
#include "writer_file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { LINE_BYTES = 64, COPY_ATTEMPTS = 64 };

/* Any 8 bytes of the block, whatever their declared type, as one word for atomic access. */
typedef uint64_t __attribute__((may_alias)) shared_word;

static char *map_private(uint64_t bytes)
{
    return system_map(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* ---- layout and content --------------------------------------------------------------------- */

static uint64_t place_section(struct hak_section_entry *entry, uint64_t end, uint64_t alignment, uint64_t records,
                              uint32_t stride, uint32_t slots)
{
    entry->offset = (end + alignment - 1) / alignment * alignment;
    entry->count = (uint32_t)records;
    entry->stride = stride;
    return entry->offset + records * stride * slots;
}

static uint64_t lay_out(struct hak_section_entry *section, const struct hak_block_spec *spec)
{
    uint64_t end = HAK_HEADER_BYTES;
#define PLACE(name, records, type, slots) \
    end = place_section(&section[HAK_SECTION_##name], end, LINE_BYTES, records, sizeof(type), slots)
    /* What the publisher goes on reading, and then what only readers need: see forget_descriptors. */
    PLACE(AXIS, spec->axis_count, struct hak_axis, 1);
    PLACE(REQUESTED, spec->tunable_count, double, 4);
    PLACE(EFFECTIVE, spec->tunable_count, double, 1);
    PLACE(TUNABLE, spec->tunable_count, struct hak_tunable, 1);
    PLACE(CONSTRAINT, spec->constraint_count, struct hak_constraint, 1);
    PLACE(METRIC, spec->metric_count, struct hak_metric, 1);
    PLACE(AXIS_ITEM, spec->axis_item_count, struct hak_axis_item, 1);
    PLACE(EVENT_KIND, spec->event_kind_count, struct hak_event_kind, 1);
    PLACE(EVENT_CAUSE, spec->event_cause_count, struct hak_event_cause, 1);
    end = place_section(&section[HAK_SECTION_DATA], end, PAGE_BYTES, (spec->data_bytes + 7) / 8, 8, 1);
    end = place_section(&section[HAK_SECTION_EVENT], end, PAGE_BYTES, spec->event_capacity,
                        sizeof(struct hak_event), 1);
    return (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static void set_pointers(struct hak_block *block, char *map)
{
    const struct hak_section_entry *section = ((struct hak_header *)(void *)map)->section;
    block->header = (void *)map;
    block->bytes = block->header->total_bytes;
    block->data = map + section[HAK_SECTION_DATA].offset;
    block->axes = (void *)(map + section[HAK_SECTION_AXIS].offset);
    block->requested = (void *)(map + section[HAK_SECTION_REQUESTED].offset);
    block->effective = (void *)(map + section[HAK_SECTION_EFFECTIVE].offset);
    block->tunable_count = section[HAK_SECTION_TUNABLE].count;
    uint32_t capacity = section[HAK_SECTION_EVENT].count;
    block->events = capacity ? (void *)(map + section[HAK_SECTION_EVENT].offset) : NULL;
    block->event_mask = capacity - 1;
}

static void fill_sections(struct hak_block *block, const struct hak_block_spec *spec)
{
    const void *const sources[] = {
        [HAK_SECTION_TUNABLE] = spec->tunables,       [HAK_SECTION_CONSTRAINT] = spec->constraints,
        [HAK_SECTION_METRIC] = spec->metrics,         [HAK_SECTION_AXIS] = spec->axes,
        [HAK_SECTION_AXIS_ITEM] = spec->axis_items,   [HAK_SECTION_EVENT_KIND] = spec->event_kinds,
        [HAK_SECTION_EVENT_CAUSE] = spec->event_causes,
    };
    for (unsigned k = 0; k < sizeof sources / sizeof *sources; k++) {
        const struct hak_section_entry *entry = &block->header->section[k];
        if (entry->count && sources[k])
            memcpy((char *)block->header + entry->offset, sources[k], (size_t)entry->count * entry->stride);
    }
    if (spec->describe_tunables)
        spec->describe_tunables((void *)((char *)block->header + block->header->section[HAK_SECTION_TUNABLE].offset));
    if (spec->describe_metrics)
        spec->describe_metrics((void *)((char *)block->header + block->header->section[HAK_SECTION_METRIC].offset));
    for (uint32_t i = 0; i < block->tunable_count; i++) {
        double value = spec->initial_values ? spec->initial_values[i] : spec->tunables[i].default_value;
        block->requested[i] = block->requested[block->tunable_count + i] = block->effective[i] = value;
    }
}

/* Takes the pages with nothing but descriptors out of the process: the file keeps them, and readers read the file. Private
 * memory would lose them. */
static void forget_descriptors(const struct hak_block *block)
{
    const struct hak_section_entry *section = block->header->section;
    uint64_t first = (section[HAK_SECTION_TUNABLE].offset + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (block->is_shared && first < section[HAK_SECTION_DATA].offset)
        SYSTEM_CALL(SYS_madvise, (char *)block->header + first, section[HAK_SECTION_DATA].offset - first, MADV_DONTNEED);
}

/* Lists the part of the block before DATA, and the used parts of DATA, by offsets from the start of the block. */
static uint32_t list_ranges(struct hak_range *ranges, uint64_t data_offset, const struct hak_range *used,
                            uint32_t used_count)
{
    uint32_t count = 1;
    ranges[0] = (struct hak_range){0, data_offset};
    for (uint32_t i = 0; i < used_count && i < HAK_BLOCK_MOST_RANGES; i++) {
        struct hak_range next = {data_offset + used[i].offset, used[i].bytes};
        if (next.offset == ranges[count - 1].offset + ranges[count - 1].bytes)
            ranges[count - 1].bytes += next.bytes;
        else
            ranges[count++] = next;
    }
    return count;
}

/* ---- writer.h ------------------------------------------------------------------------------- */

int hak_block_create(struct hak_block *block, const struct hak_block_spec *spec)
{
    system_page_start();
    memset(block, 0, sizeof *block);
    if ((spec->event_capacity & (spec->event_capacity - 1)) != 0)
        return -1;

    struct hak_header header = {.magic = HAK_MAGIC, .abi_version = HAK_ABI_VERSION, .header_bytes = HAK_HEADER_BYTES};
    block_file_identify(&header);
    header.access = (uint32_t)spec->access;
    header.is_on_demand = spec->is_on_demand;
    header.flags = spec->flags;
    block_append_text(header.kind, header.kind + sizeof header.kind, spec->kind);
    block_append_text(header.build, header.build + sizeof header.build, spec->build);
    block_file_read_command(header.command, sizeof header.command);
    header.total_bytes = lay_out(header.section, spec);
    /* Generation 0 means "adopted nothing yet" in the publisher's telemetry. */
    atomic_init(&header.generation, 1);
    atomic_init(&header.effective_generation, 1);
    atomic_init(&header.state, HAK_STATE_LIVE);

    struct block_file file;
    struct hak_range ranges[1 + HAK_BLOCK_MOST_RANGES];
    uint32_t count = list_ranges(ranges, header.section[HAK_SECTION_DATA].offset, spec->used, spec->used_count);
    char *map = block_file_map(block, &file, &header, header.total_bytes, ranges, count);
    int is_private = !map;
    if (is_private)
        map = map_private(header.total_bytes);
    if (map) {
        memcpy(map, &header, sizeof header);
        block->is_shared = !is_private;
        set_pointers(block, map);
        fill_sections(block, spec);
        forget_descriptors(block);
        if (!is_private)
            block_file_publish(block, &file, &header);
    }
    return map ? 0 : -1;
}

/* Whether the block is this process's. A child that has not called hak_block_after_fork still maps its parent's. */
static int is_own(const struct hak_block *block)
{
    return block->header && block->header->pid == (uint32_t)SYSTEM_CALL(SYS_getpid);
}

void hak_block_end(struct hak_block *block)
{
    if (is_own(block))
        atomic_store_explicit(&block->header->state, HAK_STATE_EXITED, memory_order_release);
}

void hak_block_retire(struct hak_block *block)
{
    hak_block_end(block);
    if (block->path[0] && is_own(block)) {
        SYSTEM_CALL(SYS_unlinkat, AT_FDCWD, block->path, 0);
        block->path[0] = 0;
    }
}

/* Makes the header of a copy of the parent's block the child's. */
static void take_identity(struct hak_header *header, const struct hak_header *identity)
{
    header->pid = identity->pid;
    header->uid = identity->uid;
    header->start_ticks = identity->start_ticks;
    header->created_ns = identity->created_ns;
    header->pid_namespace = identity->pid_namespace;
    header->time_namespace = identity->time_namespace;
    if (atomic_load_explicit(&header->lease_until_ns, memory_order_relaxed)) { /* nobody renews the child's */
        atomic_store_explicit(&header->lease_until_ns, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&header->generation, HAK_LAPSE_STEP, memory_order_relaxed);
    }
    atomic_fetch_and_explicit(&header->effective_generation, ~HAK_EFFECTIVE_BUSY, memory_order_relaxed);
}

/* Fills the child's block from the parent's, which the parent may be changing meanwhile. */
static void copy_content(char *map, const struct hak_block *parent, const struct hak_header *identity,
                         const struct hak_range *used, uint32_t used_count)
{
    const struct hak_section_entry *section = parent->header->section;
    for (uint32_t i = 0; i < used_count; i++)
        memcpy(map + used[i].offset, (const char *)parent->header + used[i].offset, used[i].bytes);

    double *requested = (void *)(map + section[HAK_SECTION_REQUESTED].offset);
    uint64_t generation;
    if (hak_block_copy_requested(parent, requested, &generation) != 0) {
        generation = 1;
        memcpy(requested, parent->effective, parent->tunable_count * sizeof *requested);
    }
    memcpy(requested + parent->tunable_count, requested, parent->tunable_count * sizeof *requested);
    struct hak_header *header = (void *)map;
    atomic_store_explicit(&header->generation, generation, memory_order_relaxed);
    atomic_store_explicit(&header->event_head, 0, memory_order_relaxed);
    atomic_store_explicit(&header->event_lost, 0, memory_order_relaxed);
    take_identity(header, identity);
}

/* Puts the finished copy where the parent's block is mapped. One step replaces the parent's pages by the child's, and
 * drops the parent's lock. A refused move has already unmapped its target. */
static int move_to_place(const struct hak_block *block, char *map)
{
    return SYSTEM_CALL(SYS_mremap, map, block->bytes, block->bytes, MREMAP_MAYMOVE | MREMAP_FIXED, block->header) ==
           (long)block->header;
}

/* Does the same for private memory, or after a refused move. If even that is refused, the child goes on counting
 * in its parent's block. */
static void copy_to_place(const struct hak_block *block, char *map, const struct hak_range *used, uint32_t used_count)
{
    char *place = system_map(block->header, block->bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    for (uint32_t i = 0; place && i < used_count; i++)
        memcpy(place + used[i].offset, map + used[i].offset, used[i].bytes);
    SYSTEM_CALL(SYS_munmap, map, block->bytes);
}

/* For a child that has no room for a second block: maps the parent's file privately, so that a page becomes the child's
 * when the child writes it. That needs no address space. If even that is refused, the child goes on counting in its
 * parent's block. */
static void part_from_parent(struct hak_block *block, const struct hak_header *identity)
{
    int descriptor = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, block->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    char *map = system_map(block->header, block->bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, descriptor, 0);
    SYSTEM_CALL(SYS_close, descriptor);
    if (!map)
        return;
    take_identity(block->header, identity);
    block->path[0] = 0;
    block->is_shared = 0;
}

void hak_block_after_fork(struct hak_block *block, const struct hak_range *used, uint32_t used_count,
                          int may_make_file)
{
    struct hak_header identity = {.access = HAK_ACCESS_OFF};
    if (!block->header || (may_make_file && is_own(block)))
        return;
    if (may_make_file) {
        identity.access = block->header->access;
        memcpy(identity.kind, block->header->kind, sizeof identity.kind);
        block_file_identify(&identity);
    }
    if (!block->is_shared) { /* the fork has copied private memory */
        take_identity(block->header, &identity);
            return;
    }
    struct hak_range ranges[1 + HAK_BLOCK_MOST_RANGES];
    uint32_t count = list_ranges(ranges, block->header->section[HAK_SECTION_DATA].offset, used, used_count);

    struct block_file file;
    char *map = block_file_map(block, &file, &identity, block->bytes, ranges, count);
    int is_shared = map != NULL;
    if (!map)
        map = map_private(block->bytes);
    if (map) {
        copy_content(map, block, &identity, ranges, count);
        block->path[0] = 0;
        block->is_shared = is_shared && move_to_place(block, map);
        if (!block->is_shared)
            copy_to_place(block, map, ranges, count);
        if (is_shared && !block->is_shared)
            block_file_discard(&file);
        else if (is_shared)
            block_file_publish(block, &file, &identity);
        forget_descriptors(block);
    } else if (may_make_file) {
        part_from_parent(block, &identity);
    }
}

/* Acquire pairs with a setter's release stores: if this load sees a word of a later set, the next load of the generation, or
 * of the lease, sees what preceded that set. */
static double load_value(const double *values, uint32_t index)
{
    uint64_t word = __atomic_load_n(&((const shared_word *)(const void *)values)[index], __ATOMIC_ACQUIRE);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static uint64_t lease_end_ns(const struct hak_block *block)
{
    return atomic_load_explicit(&block->header->lease_until_ns, memory_order_acquire);
}

int hak_block_is_leased(const struct hak_block *block)
{
    uint64_t until_ns = lease_end_ns(block);
    return until_ns && system_clock_ns(CLOCK_MONOTONIC) < until_ns;
}

int hak_block_note_lapse(struct hak_block *block)
{
    uint64_t until_ns = lease_end_ns(block);
    if (!until_ns || until_ns == atomic_load_explicit(&block->noted_lapse, memory_order_relaxed) ||
        system_clock_ns(CLOCK_MONOTONIC) < until_ns ||
        atomic_exchange_explicit(&block->noted_lapse, until_ns, memory_order_relaxed) == until_ns)
        return 0;
    atomic_fetch_add_explicit(&block->header->generation, HAK_LAPSE_STEP, memory_order_acq_rel);
    return 1;
}

int hak_block_copy_requested(const struct hak_block *block, double *values, uint64_t *generation)
{
    const uint32_t count = block->tunable_count;
    const double *back = block->requested + 2 * (size_t)count, *held = back + count;
    for (int attempt = 0; attempt < COPY_ATTEMPTS; attempt++) {
        uint64_t before = hak_block_generation(block), until_ns = lease_end_ns(block);
        int has_lapsed = until_ns && system_clock_ns(CLOCK_MONOTONIC) >= until_ns;
        for (uint32_t i = 0; i < count; i++) {
            values[i] = load_value(block->requested + (before & 1) * count, i);
            double goal = has_lapsed ? load_value(back, i) : 0, holds = has_lapsed ? load_value(held, i) : 0;
            hak_give_back(&values[i], &goal, &holds, (uint32_t)has_lapsed);
        }
        if (atomic_load_explicit(&block->header->lease_until_ns, memory_order_relaxed) == until_ns &&
            atomic_load_explicit(&block->header->generation, memory_order_relaxed) == before) {
            *generation = before;
            return 0;
        }
    }
    return -1;
}

static void store_values(double *section, const double *values, uint32_t count)
{
    shared_word *target = (void *)section;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, &values[i], sizeof word);
        __atomic_store_n(&target[i], word, __ATOMIC_RELEASE);
    }
}

void hak_block_request(struct hak_block *block, const double *values, uint64_t generation)
{
    store_values(block->requested + (generation & 1) * block->tunable_count, values, block->tunable_count);
    atomic_store_explicit(&block->header->generation, generation, memory_order_release);
}

void hak_block_publish_effective(struct hak_block *block, const double *values, uint64_t generation)
{
    atomic_fetch_or_explicit(&block->header->effective_generation, HAK_EFFECTIVE_BUSY, memory_order_relaxed);
    store_values(block->effective, values, block->tunable_count);
    atomic_store_explicit(&block->header->effective_generation, generation, memory_order_release);
}

void hak_block_set_axis_count(struct hak_block *block, uint32_t axis, uint32_t count)
{
    atomic_store_explicit(&block->axes[axis].count, count, memory_order_release);
}

void hak_block_publish_memory(struct hak_block *block, const void *start, const void *end,
                              const struct hak_memory *layout)
{
    block->header->memory_start = (uintptr_t)start;
    block->header->memory_end = (uintptr_t)end;
    atomic_store_explicit(&block->header->memory_layout, (uintptr_t)layout, memory_order_release);
}

void hak_block_wait(const struct hak_block *block, uint64_t seen)
{
    uint64_t until_ns = lease_end_ns(block), now_ns = system_clock_ns(CLOCK_MONOTONIC);
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec rest = {.tv_sec = (time_t)(left_ns / 1000000000), .tv_nsec = (long)(left_ns % 1000000000)};
    int may_lapse = until_ns && until_ns != atomic_load_explicit(&block->noted_lapse, memory_order_relaxed);
    SYSTEM_CALL(SYS_futex, &block->header->generation, FUTEX_WAIT, (uint32_t)seen, may_lapse ? &rest : NULL);
}

void hak_block_wake(const struct hak_block *block)
{
    SYSTEM_CALL(SYS_futex, &block->header->generation, FUTEX_WAKE, INT_MAX);
}

void hak_block_answer(struct hak_block *block)
{
    atomic_fetch_add_explicit(&block->header->samples, 1, memory_order_release);
    SYSTEM_CALL(SYS_futex, &block->header->samples, FUTEX_WAKE, INT_MAX);
}

void hak_block_append_event(struct hak_block *block, const struct hak_event *event)
{
    if (!block->events)
        return;
    uint64_t words[sizeof *event / 8];
    memcpy(words, event, sizeof words);
    uint64_t index = atomic_fetch_add_explicit(&block->header->event_head, 1, memory_order_relaxed);
    struct hak_event *slot = &block->events[index & block->event_mask];
    uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    /* If the sequence is odd, another writer has held this slot for a whole lap. If it is larger, this writer was
     * interrupted for a whole lap. */
    if ((sequence & 1) != 0 || sequence > 2 * index ||
        !atomic_compare_exchange_strong_explicit(&slot->sequence, &sequence, 2 * index + 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        atomic_fetch_add_explicit(&block->header->event_lost, 1, memory_order_relaxed);
        return;
    }
    shared_word *target = (void *)slot;
    for (unsigned i = 1; i < sizeof words / sizeof *words; i++)
        __atomic_store_n(&target[i], words[i], __ATOMIC_RELEASE); /* release keeps it behind the odd sequence */
    atomic_store_explicit(&slot->sequence, 2 * index + 2, memory_order_release);
}

void hak_block_forget_events(struct hak_block *block)
{
    if (block->is_shared && block->events)
        SYSTEM_CALL(SYS_madvise, block->events, ((size_t)block->event_mask + 1) * sizeof *block->events, MADV_DONTNEED);
}
