/* registry.c: the frame tables and descriptor segments of registry.h. */
#include "registry.h"

#include "chunk.h"
#include "events.h"
#include "lock.h"
#include "os.h"
#include "processor.h"
#include "settings.h"
#include "telemetry.h"

/* For addresses outside the range: leaves of 2^13 frames of 2^21 bytes cover the addresses that the system gives. */
#define LEAF_BITS 13
#define LEAF_ENTRIES (1u << LEAF_BITS)
#define ROOT_ENTRIES (1u << (PROCESSOR_ADDRESS_BITS - CHUNK_SHIFT - LEAF_BITS))
#define MAX_SEGMENTS 32

struct leaf {
    struct chunk *_Atomic frames[LEAF_ENTRIES];
};

_Alignas(CACHE_LINE) struct chunk *_Atomic *registry_frames;
static _Alignas(SMALLEST_PAGE_BYTES) struct leaf *_Atomic root[ROOT_ENTRIES];

static struct lock registry_lock;
static struct chunk *segments[MAX_SEGMENTS];
static unsigned segment_count;
static uint32_t first_segment_entries; /* a power of two */
static _Atomic uint32_t entries_ever;  /* handed out at least once */
static uint32_t capacity;
static struct chunk *free_chunks; /* linked through next */

struct chunk *registry_find_outside(const void *address)
{
    uintptr_t frame = (uintptr_t)address >> CHUNK_SHIFT;
    if (frame >> LEAF_BITS >= ROOT_ENTRIES)
        return NULL;
    struct leaf *leaf = atomic_load_explicit(&root[frame >> LEAF_BITS], memory_order_acquire);
    if (!leaf)
        return NULL;
    return atomic_load_explicit(&leaf->frames[frame & (LEAF_ENTRIES - 1)], memory_order_acquire);
}

/* Returns the word of the frame at an address, or NULL if it needs a leaf and there is no memory for that. */
static struct chunk *_Atomic *frame_word_locked(uintptr_t address)
{
    size_t offset = range_offset((const void *)address);
    if (offset < range_bytes())
        return &registry_frames[offset >> CHUNK_SHIFT];
    uintptr_t frame = address >> CHUNK_SHIFT;
    if (frame >> LEAF_BITS >= ROOT_ENTRIES)
        return NULL;
    struct leaf *leaf = atomic_load_explicit(&root[frame >> LEAF_BITS], memory_order_relaxed);
    if (!leaf) {
        leaf = os_map(sizeof *leaf);
        if (!leaf)
            return NULL;
        atomic_store_explicit(&root[frame >> LEAF_BITS], leaf, memory_order_release);
    }
    return &leaf->frames[frame & (LEAF_ENTRIES - 1)];
}

static bool grow_locked(const struct actor *actor)
{
    if (segment_count == MAX_SEGMENTS)
        return false;
    uint32_t added = segment_count ? capacity : first_segment_entries;
    if (added > UINT32_MAX - capacity)
        return false;
    struct chunk *segment = os_map((size_t)added * sizeof(struct chunk));
    if (!segment)
        return false;
    segments[segment_count++] = segment;
    event_append(actor, EVENT_REGISTRY_GROW, CAUSE_LOAD, NO_ITEM, capacity, (double)capacity + added);
    capacity += added;
    telemetry_set(&telemetry->global.registry_capacity, capacity);
    return true;
}

bool registry_start(void)
{
    first_segment_entries = (uint32_t)power_of_two_at_least((uint64_t)SETTING(registry_initial_entries));
    registry_frames = range_table(RANGE_CHUNK_OF_FRAME);
    return grow_locked(NULL);
}

struct chunk *registry_chunk_at(uint32_t index)
{
    if (index >= atomic_load_explicit(&entries_ever, memory_order_acquire))
        return NULL;
    if (index < first_segment_entries)
        return &segments[0][index];
    /* Segment k >= 1 covers [first << (k - 1), first << k). */
    unsigned k = log2_floor(index / first_segment_entries) + 1;
    return &segments[k][index - (first_segment_entries << (k - 1))];
}

uint32_t registry_segments(uint64_t *segments_address, uint64_t *entries_ever_address)
{
    *segments_address = (uintptr_t)segments;
    *entries_ever_address = (uintptr_t)&entries_ever;
    return first_segment_entries;
}

struct chunk *registry_new_chunk(const struct actor *actor)
{
    lock_acquire(&registry_lock);
    struct chunk *chunk = free_chunks;
    if (chunk) {
        free_chunks = chunk->next;
    } else {
        uint32_t index = atomic_load_explicit(&entries_ever, memory_order_relaxed);
        if (index < capacity || grow_locked(actor)) {
            atomic_store_explicit(&entries_ever, index + 1, memory_order_release);
            chunk = registry_chunk_at(index);
            chunk->entry_index = index;
        }
    }
    if (chunk) {
        chunk->next = NULL;
        telemetry_add(&telemetry->global.registry_entries, 1);
    }
    lock_release(&registry_lock);
    return chunk;
}

/* Stores `chunk` for its frames [from, to). All words are found first, so that a failure leaves nothing published. */
static bool publish_locked(struct chunk *chunk, uint32_t from, uint32_t to)
{
    uintptr_t base = (uintptr_t)chunk->base;
    for (uint32_t frame = from; frame < to; frame++)
        if (!frame_word_locked(base + (uintptr_t)frame * CHUNK_BYTES))
            return false;
    for (uint32_t frame = from; frame < to; frame++)
        atomic_store_explicit(frame_word_locked(base + (uintptr_t)frame * CHUNK_BYTES), chunk, memory_order_release);
    return true;
}

bool registry_publish(struct chunk *chunk)
{
    lock_acquire(&registry_lock);
    bool done = publish_locked(chunk, 0, chunk->frames);
    lock_release(&registry_lock);
    return done;
}

bool registry_extend(struct chunk *chunk, uint32_t frames)
{
    lock_acquire(&registry_lock);
    bool done = publish_locked(chunk, chunk->frames, frames);
    if (done)
        chunk->frames = frames;
    lock_release(&registry_lock);
    return done;
}

static void return_chunk_locked(struct chunk *chunk)
{
    chunk_set_kind(chunk, CHUNK_NONE);
    chunk->next = free_chunks;
    free_chunks = chunk;
    telemetry_add(&telemetry->global.registry_entries, -1);
}

void registry_remove(struct chunk *chunk)
{
    lock_acquire(&registry_lock);
    for (uint32_t frame = 0; frame < chunk->frames; frame++) {
        struct chunk *_Atomic *word = frame_word_locked((uintptr_t)chunk->base + (uintptr_t)frame * CHUNK_BYTES);
        /* If the chunk was never published, the word may be missing or belong to another chunk. */
        if (word && atomic_load_explicit(word, memory_order_relaxed) == chunk)
            atomic_store_explicit(word, NULL, memory_order_release);
    }
    return_chunk_locked(chunk);
    lock_release(&registry_lock);
}

bool registry_is_valid(void)
{
    lock_acquire(&registry_lock);
    uint32_t ever = atomic_load_explicit(&entries_ever, memory_order_relaxed), unused = 0;
    bool valid = ever <= capacity && segment_count > 0 && capacity == first_segment_entries << (segment_count - 1);
    for (struct chunk *chunk = free_chunks; chunk && valid; chunk = chunk->next)
        valid = ++unused <= ever && chunk_kind(chunk) == CHUNK_NONE && registry_chunk_at(chunk->entry_index) == chunk;
    lock_release(&registry_lock);
    return valid;
}

void registry_reset_locks(void)
{
    lock_reset(&registry_lock);
}

void registry_acquire_locks(void)
{
    lock_acquire(&registry_lock);
}

void registry_release_locks(void)
{
    lock_release(&registry_lock);
}
