/* writer.c: makes and publishes control blocks (writer.h). Runs inside malloc's initialisation and in
 * the child of a fork, so it allocates nothing, prints nothing, reads no environment, keeps errno, and
 * makes its system calls without libc's cancellation points. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer.h"
#include "writer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_BYTES = 64, PAGE_BYTES = 4096, COPY_ATTEMPTS = 64 };

/* Any 8 bytes of the block, whatever their declared type, as one relaxed-atomic word. */
typedef uint64_t __attribute__((may_alias)) shared_word;

static char *map_private(uint64_t bytes)
{
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
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
    struct {
        uint32_t count;
        size_t stride;
    } const descriptors[] = {
        [HAK_SECTION_TUNABLE] = {spec->tunable_count, sizeof(struct hak_tunable)},
        [HAK_SECTION_CONSTRAINT] = {spec->constraint_count, sizeof(struct hak_constraint)},
        [HAK_SECTION_METRIC] = {spec->metric_count, sizeof(struct hak_metric)},
        [HAK_SECTION_AXIS] = {spec->axis_count, sizeof(struct hak_axis)},
        [HAK_SECTION_AXIS_ITEM] = {spec->axis_item_count, sizeof(struct hak_axis_item)},
        [HAK_SECTION_EVENT_KIND] = {spec->event_kind_count, sizeof(struct hak_event_kind)},
        [HAK_SECTION_EVENT_CAUSE] = {spec->event_cause_count, sizeof(struct hak_event_cause)},
    };
    uint64_t end = HAK_HEADER_BYTES;
    for (unsigned k = 0; k < sizeof descriptors / sizeof *descriptors; k++)
        end = place_section(&section[k], end, LINE_BYTES, descriptors[k].count, (uint32_t)descriptors[k].stride, 1);
    end = place_section(&section[HAK_SECTION_REQUESTED], end, LINE_BYTES, spec->tunable_count, sizeof(double), 2);
    end = place_section(&section[HAK_SECTION_EFFECTIVE], end, LINE_BYTES, spec->tunable_count, sizeof(double), 1);
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
        if (entry->count)
            memcpy((char *)block->header + entry->offset, sources[k], (size_t)entry->count * entry->stride);
    }
    for (uint32_t i = 0; i < block->tunable_count; i++) {
        double value = spec->initial_values ? spec->initial_values[i] : spec->tunables[i].default_value;
        block->requested[i] = block->requested[block->tunable_count + i] = block->effective[i] = value;
    }
}

/* ---- writer.h ------------------------------------------------------------------------------- */

int hak_block_create(struct hak_block *block, const struct hak_block_spec *spec)
{
    int saved_errno = errno;
    memset(block, 0, sizeof *block);
    if ((spec->event_capacity & (spec->event_capacity - 1)) != 0)
        return -1;

    struct hak_header header = {.magic = HAK_MAGIC, .abi_version = HAK_ABI_VERSION, .header_bytes = HAK_HEADER_BYTES};
    block_file_identify(&header);
    header.access = (uint32_t)spec->access;
    block_append_text(header.kind, header.kind + sizeof header.kind, spec->kind);
    block_append_text(header.build, header.build + sizeof header.build, spec->build);
    block_file_read_command(header.command, sizeof header.command);
    header.total_bytes = lay_out(header.section, spec);
    /* 0 is left to mean 'adopted nothing yet' in the publisher's telemetry. */
    atomic_init(&header.generation, 1);
    atomic_init(&header.effective_generation, 1);
    atomic_init(&header.state, HAK_STATE_LIVE);

    struct block_file file;
    char *map = block_file_map(&file, &header, header.total_bytes, header.section[HAK_SECTION_DATA].offset);
    int is_private = !map;
    if (is_private)
        map = map_private(header.total_bytes);
    if (map) {
        memcpy(map, &header, sizeof header);
        block->is_shared = !is_private;
        set_pointers(block, map);
        fill_sections(block, spec);
        if (!is_private && block_file_publish(&file) == 0)
            memcpy(block->path, file.path, sizeof block->path);
    }
    errno = saved_errno;
    return map ? 0 : -1;
}

void hak_block_retire(struct hak_block *block)
{
    int saved_errno = errno;
    /* A child that never ran hak_block_after_fork still maps its parent's block: not ours to end. */
    if (block->header && block->header->pid == (uint32_t)getpid()) {
        atomic_store_explicit(&block->header->state, HAK_STATE_EXITED, memory_order_release);
        if (block->path[0])
            unlink(block->path);
        block->path[0] = 0;
    }
    errno = saved_errno;
}

static int is_zero(const char *bytes, size_t count)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

/* Copies [from, to) of the parent's block, leaving what was never touched untouched in both: reading
 * a hole through a mapping would fill it with a page, reading it from the file does not. */
static void copy_sparse(char *target, const char *source, const char *parent_path, uint64_t from, uint64_t to)
{
    struct stat status;
    int descriptor = block_system_open(AT_FDCWD, parent_path, O_RDONLY | O_NOFOLLOW, 0);
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && (uint64_t)status.st_size >= to) {
        off_t position = (off_t)from;
        while (position < (off_t)to) {
            off_t start = lseek(descriptor, position, SEEK_DATA);
            if (start < 0 || start >= (off_t)to)
                break;
            off_t stop = lseek(descriptor, start, SEEK_HOLE);
            if (stop < 0 || stop > (off_t)to)
                stop = (off_t)to;
            for (position = start; position < stop;) {
                long got = syscall(SYS_pread64, descriptor, target + position, (size_t)(stop - position), position);
                if (got <= 0)
                    break;
                position += got;
            }
            position = stop;
        }
    } else { /* the parent is gone already; its pages are still mapped here */
        for (uint64_t page = from; page < to; page += PAGE_BYTES)
            if (!is_zero(source + page, PAGE_BYTES))
                memcpy(target + page, source + page, PAGE_BYTES);
    }
    if (descriptor >= 0)
        block_system_close(descriptor);
}

/* The header of a copy of the parent's block becomes the child's. */
static void make_own(struct hak_header *header, const struct hak_header *identity)
{
    header->pid = identity->pid;
    header->uid = identity->uid;
    header->start_ticks = identity->start_ticks;
    header->created_ns = identity->created_ns;
    atomic_fetch_and_explicit(&header->effective_generation, ~HAK_EFFECTIVE_BUSY, memory_order_relaxed);
    atomic_store_explicit(&header->event_head, 0, memory_order_relaxed);
    atomic_store_explicit(&header->event_lost, 0, memory_order_relaxed);
}

/* Fills the child's block from the parent's, which its own process may be changing meanwhile. */
static void copy_content(char *map, const struct hak_block *parent, const struct hak_header *identity)
{
    const struct hak_section_entry *section = parent->header->section;
    uint64_t data_offset = section[HAK_SECTION_DATA].offset;
    memcpy(map, parent->header, data_offset);
    copy_sparse(map, (const char *)parent->header, parent->path, data_offset, section[HAK_SECTION_EVENT].offset);

    double *requested = (void *)(map + section[HAK_SECTION_REQUESTED].offset);
    uint64_t generation;
    if (hak_block_copy_requested(parent, requested, &generation) != 0) {
        generation = 1;
        memcpy(requested, parent->effective, parent->tunable_count * sizeof *requested);
    }
    memcpy(requested + parent->tunable_count, requested, parent->tunable_count * sizeof *requested);
    struct hak_header *header = (void *)map;
    atomic_store_explicit(&header->generation, generation, memory_order_relaxed);
    make_own(header, identity);
}

/* Puts the finished copy where the parent's block is mapped: the parent's pages leave and the child's arrive
 * in one step. A refused move has unmapped its target already: then private memory takes the place. */
static int take_place(const struct hak_block *block, char *map)
{
    if (mremap(map, block->bytes, block->bytes, MREMAP_MAYMOVE | MREMAP_FIXED, block->header) != MAP_FAILED)
        return 0;
    char *place = mmap(block->header, block->bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (place != MAP_FAILED)
        for (uint64_t page = 0; page < block->bytes; page += PAGE_BYTES)
            if (!is_zero(map + page, PAGE_BYTES))
                memcpy(place + page, map + page, PAGE_BYTES);
    munmap(map, block->bytes);
    return -1;
}

/* There is no room for a second block: pages of the parent's file become the child's as it writes them. That
 * needs no address space; where even it is refused, the child goes on counting in its parent's block. */
static void part_from_parent(struct hak_block *block, const struct hak_header *identity)
{
    int descriptor = block_system_open(AT_FDCWD, block->path, O_RDONLY | O_NOFOLLOW, 0);
    if (descriptor < 0)
        return;
    void *map = mmap(block->header, block->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
                     descriptor, 0);
    block_system_close(descriptor);
    if (map == MAP_FAILED)
        return;
    make_own(block->header, identity);
    block->path[0] = 0;
    block->is_shared = 0;
}

void hak_block_after_fork(struct hak_block *block)
{
    int saved_errno = errno;
    if (!block->header || block->header->pid == (uint32_t)getpid())
        return;
    struct hak_header identity = {.access = block->header->access};
    block_file_identify(&identity);
    memcpy(identity.kind, block->header->kind, sizeof identity.kind);
    if (!block->is_shared) { /* private memory: the fork has copied it */
        block->header->pid = identity.pid;
        block->header->start_ticks = identity.start_ticks;
        errno = saved_errno;
        return;
    }
    struct block_file file;
    char *map = block_file_map(&file, &identity, block->bytes, block->header->section[HAK_SECTION_DATA].offset);
    int is_private = !map;
    if (is_private)
        map = map_private(block->bytes);
    if (map) {
        copy_content(map, block, &identity);
        block->path[0] = 0;
        int is_placed = take_place(block, map) == 0;
        block->is_shared = is_placed && !is_private;
        if (!is_placed && !is_private)
            block_file_discard(&file);
        else if (!is_private && block_file_publish(&file) == 0)
            memcpy(block->path, file.path, sizeof block->path);
    } else {
        part_from_parent(block, &identity);
    }
    errno = saved_errno;
}

int hak_block_copy_requested(const struct hak_block *block, double *values, uint64_t *generation)
{
    for (int attempt = 0; attempt < COPY_ATTEMPTS; attempt++) {
        uint64_t before = hak_block_generation(block);
        const shared_word *slot = (const void *)(block->requested + (before & 1) * block->tunable_count);
        for (uint32_t i = 0; i < block->tunable_count; i++) {
            /* Acquire pairs with the setter's release stores: who sees a later set's word sees, below,
             * the generation that preceded it. */
            uint64_t word = __atomic_load_n(&slot[i], __ATOMIC_ACQUIRE);
            memcpy(&values[i], &word, sizeof word);
        }
        if (atomic_load_explicit(&block->header->generation, memory_order_relaxed) == before) {
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

void hak_block_append_event(struct hak_block *block, const struct hak_event *event)
{
    if (!block->events)
        return;
    uint64_t words[sizeof *event / 8];
    memcpy(words, event, sizeof words);
    uint64_t index = atomic_fetch_add_explicit(&block->header->event_head, 1, memory_order_relaxed);
    struct hak_event *slot = &block->events[index & block->event_mask];
    uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    /* Odd: another writer has been in this slot for a whole lap. Larger: we have been away for one. */
    if ((sequence & 1) != 0 || sequence > 2 * index ||
        !atomic_compare_exchange_strong_explicit(&slot->sequence, &sequence, 2 * index + 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        atomic_fetch_add_explicit(&block->header->event_lost, 1, memory_order_relaxed);
        return;
    }
    shared_word *target = (void *)slot;
    for (unsigned i = 1; i < sizeof words / sizeof *words; i++)
        __atomic_store_n(&target[i], words[i], __ATOMIC_RELEASE); /* none before the odd sequence */
    atomic_store_explicit(&slot->sequence, 2 * index + 2, memory_order_release);
}
