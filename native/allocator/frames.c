/* frames.c: three bitmaps over the reserved range: taken, committed, dirty. */
#include "frames.h"

#include "lock.h"
#include "os.h"

static struct lock frames_lock;
static uint64_t *taken, *committed, *dirty; /* a bit a frame; dirty: may hold other than zeros */
static uint32_t frame_count;
static uint32_t search_from; /* no frame below this is free */

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

static bool any_in_run(const uint64_t *bitmap, uint32_t first, uint32_t count, bool value)
{
    for (uint32_t bit = first; bit < first + count; bit++)
        if (get(bitmap, bit) == value)
            return true;
    return false;
}

bool frames_start(void)
{
    frame_count = (uint32_t)(os_range.bytes / CHUNK_BYTES);
    if (frame_count == 0)
        return true;
    size_t words = frame_count / 64;
    uint64_t *maps = os_map(3 * words * sizeof *maps);
    if (!maps) {
        frame_count = 0; /* everything is mapped outside */
        return true;
    }
    taken = maps;
    committed = maps + words;
    dirty = maps + 2 * words;
    return true;
}

/* First fit from the lowest free frame. UINT32_MAX: none. */
static uint32_t find_run_locked(uint32_t count, uint32_t alignment_frames)
{
    uintptr_t base_frame = (uintptr_t)os_range.base / CHUNK_BYTES;
    uint32_t frame = search_from;
    while (frame < frame_count && count <= frame_count - frame) {
        if (frame % 64 == 0 && taken[frame / 64] == UINT64_MAX) {
            frame += 64;
            continue;
        }
        uint32_t misaligned = (uint32_t)((base_frame + frame) & (alignment_frames - 1));
        if (misaligned) {
            frame += alignment_frames - misaligned;
            continue;
        }
        uint32_t length = 0;
        while (length < count && !get(taken, frame + length))
            length++;
        if (length == count)
            return frame;
        frame += length + 1;
    }
    return UINT32_MAX;
}

static bool take_run_locked(uint32_t first, uint32_t count, bool *is_zeroed)
{
    if (any_in_run(committed, first, count, false)) {
        if (!os_commit(os_range.base + (size_t)first * CHUNK_BYTES, (size_t)count * CHUNK_BYTES))
            return false;
        set_run(committed, first, count, true);
    }
    *is_zeroed = !any_in_run(dirty, first, count, true);
    set_run(taken, first, count, true);
    set_run(dirty, first, count, true);
    if (search_from >= first && search_from < first + count)
        search_from = first + count;
    return true;
}

char *frames_acquire(uint32_t count, size_t alignment, bool *is_zeroed)
{
    if (frame_count) {
        lock_acquire(&frames_lock);
        uint32_t first = find_run_locked(count, (uint32_t)(alignment / CHUNK_BYTES));
        bool done = first != UINT32_MAX && take_run_locked(first, count, is_zeroed);
        lock_release(&frames_lock);
        if (done)
            return os_range.base + (size_t)first * CHUNK_BYTES;
    }
    *is_zeroed = true;
    return os_map_aligned((size_t)count * CHUNK_BYTES, alignment);
}

static bool is_inside(const char *base)
{
    return (size_t)((uintptr_t)base - (uintptr_t)os_range.base) < os_range.bytes && frame_count;
}

bool frames_extend(char *base, uint32_t count, uint32_t wanted, bool *is_zeroed)
{
    if (!is_inside(base))
        return false;
    uint32_t first = (uint32_t)((size_t)(base - os_range.base) / CHUNK_BYTES) + count;
    uint32_t added = wanted - count;
    lock_acquire(&frames_lock);
    bool done = added <= frame_count - first && !any_in_run(taken, first, added, true) &&
                take_run_locked(first, added, is_zeroed);
    lock_release(&frames_lock);
    return done;
}

void frames_release(char *base, uint32_t count, bool is_zeroed)
{
    if (!is_inside(base)) {
        os_unmap(base, (size_t)count * CHUNK_BYTES);
        return;
    }
    uint32_t first = (uint32_t)((size_t)(base - os_range.base) / CHUNK_BYTES);
    lock_acquire(&frames_lock);
    set_run(taken, first, count, false);
    set_run(dirty, first, count, !is_zeroed);
    if (first < search_from)
        search_from = first;
    lock_release(&frames_lock);
}

bool frames_is_valid(void)
{
    bool valid = true;
    lock_acquire(&frames_lock);
    for (uint32_t word = 0; word < frame_count / 64; word++) {
        valid &= ((taken[word] | dirty[word]) & ~committed[word]) == 0 && (taken[word] & ~dirty[word]) == 0;
        valid &= (word + 1) * 64 > search_from || taken[word] == UINT64_MAX;
    }
    for (uint32_t frame = search_from & ~UINT32_C(63); frame < search_from; frame++)
        valid &= get(taken, frame);
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
