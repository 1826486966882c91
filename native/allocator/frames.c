/* frames.c: two bitmaps over the range, `taken` and `kept` (drawing in frames.h). */
#include "frames.h"

#include "lock.h"
#include "memory_limit.h"
#include "os.h"
#include "range.h"

#define FRAME_COUNT ((uint32_t)(RANGE_MAX_BYTES / CHUNK_BYTES))
#define NO_FRAME UINT32_MAX

static struct lock frames_lock;
static _Alignas(SMALLEST_PAGE_BYTES) uint64_t taken[FRAME_COUNT / 64], kept[FRAME_COUNT / 64]; /* one bit for each frame */
static uint32_t frame_limit = FRAME_COUNT; /* the first frame that must not be taken */
static uint32_t search_from;               /* no frame below this is free */
static uint32_t kept_count;

static bool get(const uint64_t *bitmap, uint32_t bit)
{
    return bitmap[bit / 64] >> (bit % 64) & 1;
}

static void set_run(uint64_t *bitmap, uint32_t first, uint32_t count, bool value)
{
    for (uint32_t bit = first; bit < first + count; bit++) {
        if (value)
            bitmap[bit / 64] |= UINT64_C(1) << (bit % 64);
        else
            bitmap[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
    }
}

/* Returns the first frame, from `from` on, of an aligned run of `count` frames whose bits are `value`, or NO_FRAME. */
static uint32_t find_run(const uint64_t *bitmap, bool value, uint32_t from, uint32_t count, uint32_t alignment_frames)
{
    uintptr_t base_frame = (uintptr_t)range.base / CHUNK_BYTES;
    uint32_t frame = from;
    while (frame < frame_limit && count <= frame_limit - frame) {
        if (frame % 64 == 0 && bitmap[frame / 64] == (value ? 0 : UINT64_MAX)) {
            frame += 64;
            continue;
        }
        uint32_t misaligned = (uint32_t)((base_frame + frame) & (alignment_frames - 1));
        if (misaligned) {
            frame += alignment_frames - misaligned;
            continue;
        }
        uint32_t length = 0;
        while (length < count && get(bitmap, frame + length) == value)
            length++;
        if (length == count)
            return frame;
        frame += length + 1;
    }
    return NO_FRAME;
}

static char *frame_address(uint32_t frame)
{
    return range.base + (size_t)frame * CHUNK_BYTES;
}

static uint32_t frame_of(const char *base)
{
    return (uint32_t)(range_offset(base) / CHUNK_BYTES);
}

static void take_locked(uint32_t first, uint32_t count)
{
    set_run(taken, first, count, true);
    if (search_from >= first && search_from < first + count)
        search_from = first + count;
}

static void untake(uint32_t first, uint32_t count)
{
    lock_acquire(&frames_lock);
    set_run(taken, first, count, false);
    if (first < search_from)
        search_from = first;
    lock_release(&frames_lock);
}

/* Maps a run that is marked as taken. Returns false, with the run free again, if there is no memory or if something else is
 * mapped there. */
static bool map_run(uint32_t first, uint32_t count)
{
    enum os_placing placing = os_map_at(frame_address(first), (size_t)count * CHUNK_BYTES);
    if (placing == OS_PLACED)
        return true;
    if (placing == OS_OCCUPIED) {
        lock_acquire(&frames_lock);
        frame_limit = first < frame_limit ? first : frame_limit;
        lock_release(&frames_lock);
    }
    untake(first, count);
    return false;
}

/* Takes a run, if possible a kept one. Then *is_mapped is true and the run need not be mapped. Returns its first frame, or
 * NO_FRAME. */
static uint32_t take_run_locked(uint32_t count, uint32_t alignment_frames, bool *is_mapped)
{
    uint32_t first = kept_count ? find_run(kept, true, 0, count, alignment_frames) : NO_FRAME;
    *is_mapped = first != NO_FRAME;
    if (*is_mapped) {
        set_run(kept, first, count, false);
        kept_count -= count;
        return first;
    }
    first = find_run(taken, false, search_from, count, alignment_frames);
    if (first == NO_FRAME || !range_grow((size_t)(first + count) * CHUNK_BYTES))
        return NO_FRAME;
    take_locked(first, count);
    return first;
}

/* A mapping that the system placed by itself lies in the zone only if no other addresses are left. Then the range must not
 * grow over it. Returns false if the mapping lies inside the range already. */
static bool keep_out_of_range(const char *base)
{
    size_t offset = range_offset(base);
    if (!range.base || offset >= RANGE_MAX_BYTES)
        return true;
    lock_acquire(&frames_lock);
    bool is_outside = offset >= range_bytes();
    if (is_outside && frame_of(base) < frame_limit)
        frame_limit = frame_of(base);
    lock_release(&frames_lock);
    return is_outside;
}

static char *map_outside(size_t bytes, size_t alignment)
{
    char *base = os_map_aligned(bytes, alignment);
    if (!base || keep_out_of_range(base))
        return base;
    os_unmap(base, bytes);
    return NULL;
}

char *frames_acquire(uint32_t count, size_t alignment)
{
    if (memory_limit_refuses((size_t)count * CHUNK_BYTES))
        return NULL;
    if (range.base && alignment <= RANGE_MAX_BYTES) {
        bool is_mapped;
        lock_acquire(&frames_lock);
        uint32_t first = take_run_locked(count, (uint32_t)(alignment / CHUNK_BYTES), &is_mapped);
        lock_release(&frames_lock);
        if (first != NO_FRAME && (is_mapped || map_run(first, count)))
            return frame_address(first);
    }
    return map_outside((size_t)count * CHUNK_BYTES, alignment);
}

static bool is_free_locked(uint32_t first, uint32_t count)
{
    bool is_free = first <= frame_limit && count <= frame_limit - first;
    for (uint32_t frame = first; is_free && frame < first + count; frame++)
        is_free = !get(taken, frame);
    return is_free;
}

bool frames_extend(char *base, uint32_t count, uint32_t wanted)
{
    uint32_t first, added = wanted - count;
    if (!range_holds(base) || memory_limit_refuses((size_t)added * CHUNK_BYTES))
        return false;
    first = frame_of(base) + count;
    lock_acquire(&frames_lock);
    bool is_taken = is_free_locked(first, added) && range_grow((size_t)(first + added) * CHUNK_BYTES);
    if (is_taken)
        take_locked(first, added);
    lock_release(&frames_lock);
    return is_taken && map_run(first, added);
}

void frames_release(char *base, uint32_t count)
{
    size_t bytes = (size_t)count * CHUNK_BYTES;
    bool is_inside = range_holds(base), is_unmapped = os_unmap(base, bytes);
    if (is_inside && is_unmapped) {
        untake(frame_of(base), count);
    } else if (!is_unmapped && os_purge(base, bytes) && is_inside) { /* otherwise the run is never used again */
        lock_acquire(&frames_lock);
        set_run(kept, frame_of(base), count, true);
        kept_count += count;
        lock_release(&frames_lock);
    }
}

bool frames_is_valid(void)
{
    bool valid = true;
    uint32_t count = 0;
    lock_acquire(&frames_lock);
    for (uint32_t word = 0; word < range_bytes() / CHUNK_BYTES / 64; word++) {
        valid &= (kept[word] & ~taken[word]) == 0;
        valid &= (word + 1) * 64 > search_from || taken[word] == UINT64_MAX;
        count += (uint32_t)__builtin_popcountll(kept[word]);
    }
    for (uint32_t frame = search_from & ~UINT32_C(63); frame < search_from; frame++)
        valid &= get(taken, frame);
    valid &= count == kept_count;
    lock_release(&frames_lock);
    return valid;
}

void frames_acquire_locks(void)
{
    lock_acquire(&frames_lock);
}

void frames_release_locks(void)
{
    lock_release(&frames_lock);
}

void frames_reset_locks(void)
{
    lock_reset(&frames_lock);
}
