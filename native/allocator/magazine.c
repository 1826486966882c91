/* magazine.c: blocks on their way from one thread's cache to another's. */
#include "magazine.h"

#include "lock.h"
#include "os.h"
#include "registry.h"

#include <string.h>

struct magazine {
    _Alignas(CACHE_LINE) struct lock lock;
    unsigned fill, lowest; /* lowest: the lowest fill since the last magazine_age */
    _Atomic(void **) blocks; /* MAGAZINE_MAX_BLOCKS, mapped at the first put under the lock; relaxed outside it */
};

/* One for each class. Classes below a cache line have one for each heap; those of heaps above 0 come at the end. */
#define MAGAZINE_COUNT (SIZE_CLASS_COUNT + (MAX_HEAPS - 1) * OUTBOX_COUNT)
static _Alignas(SMALLEST_PAGE_BYTES) struct magazine magazines[MAGAZINE_COUNT];
/* Where the upkeep counts. Several threads may write at once, so the counts are only roughly right. */
static struct telemetry_thread_class no_row;

static struct magazine *magazine_of(unsigned heap, unsigned class_index)
{
    if (class_index >= OUTBOX_COUNT || heap == 0)
        return &magazines[class_index];
    return &magazines[SIZE_CLASS_COUNT + (heap - 1) * OUTBOX_COUNT + class_index];
}

static unsigned class_of(unsigned index)
{
    return index < SIZE_CLASS_COUNT ? index : (index - SIZE_CLASS_COUNT) % OUTBOX_COUNT;
}

static unsigned heap_of(unsigned index)
{
    return index < SIZE_CLASS_COUNT ? 0 : (index - SIZE_CLASS_COUNT) / OUTBOX_COUNT + 1;
}

static void **blocks_of(struct magazine *magazine)
{
    return atomic_load_explicit(&magazine->blocks, memory_order_relaxed);
}

static void change_fill_locked(struct magazine *magazine, unsigned class_index, int64_t blocks)
{
    magazine->fill += (unsigned)blocks;
    telemetry_add(&telemetry->classes[class_index].in_magazine, blocks);
}

unsigned magazine_take(unsigned heap, unsigned class_index, void **out, unsigned wanted)
{
    struct magazine *magazine = magazine_of(heap, class_index);
    lock_acquire(&magazine->lock);
    unsigned got = wanted < magazine->fill ? wanted : magazine->fill;
    if (got) {
        change_fill_locked(magazine, class_index, -(int64_t)got);
        if (magazine->fill < magazine->lowest)
            magazine->lowest = magazine->fill;
        memcpy(out, blocks_of(magazine) + magazine->fill, got * sizeof *out);
    }
    lock_release(&magazine->lock);
    if (got)
        central_count_out(class_index, got);
    return got;
}

unsigned magazine_put(unsigned heap, unsigned class_index, void *const *blocks, unsigned count, unsigned limit)
{
    struct magazine *magazine = magazine_of(heap, class_index);
    unsigned kept = 0;
    lock_acquire(&magazine->lock);
    if (!blocks_of(magazine))
        atomic_store_explicit(&magazine->blocks, os_map(MAGAZINE_MAX_BLOCKS * sizeof *blocks), memory_order_relaxed);
    if (blocks_of(magazine) && magazine->fill < limit) {
        kept = limit - magazine->fill < count ? limit - magazine->fill : count;
        memcpy(blocks_of(magazine) + magazine->fill, blocks + (count - kept), kept * sizeof *blocks);
        change_fill_locked(magazine, class_index, kept);
    }
    lock_release(&magazine->lock);
    if (kept)
        central_count_out(class_index, -(int64_t)kept);
    return count - kept;
}

/* Takes blocks from the bottom, which have not been used for the longest time. */
static unsigned take_oldest(struct magazine *magazine, unsigned class_index, void **out, unsigned wanted)
{
    lock_acquire(&magazine->lock);
    unsigned got = wanted < magazine->fill ? wanted : magazine->fill;
    if (got) {
        memcpy(out, blocks_of(magazine), got * sizeof *out);
        change_fill_locked(magazine, class_index, -(int64_t)got);
        memmove(blocks_of(magazine), blocks_of(magazine) + got, magazine->fill * sizeof *out);
    }
    magazine->lowest = magazine->fill;
    lock_release(&magazine->lock);
    if (got)
        central_count_out(class_index, got);
    return got;
}

static unsigned idle_blocks(struct magazine *magazine)
{
    lock_acquire(&magazine->lock);
    unsigned idle = magazine->lowest;
    magazine->lowest = magazine->fill;
    lock_release(&magazine->lock);
    return idle;
}

void magazine_age(const struct actor *actor, bool is_everything)
{
    void *batch[256];
    for (unsigned i = 0; i < MAGAZINE_COUNT; i++) {
        struct magazine *magazine = &magazines[i];
        if (!blocks_of(magazine))
            continue;
        unsigned left = is_everything ? MAGAZINE_MAX_BLOCKS : idle_blocks(magazine);
        while (left) {
            unsigned wanted = left < sizeof batch / sizeof *batch ? left : sizeof batch / sizeof *batch;
            unsigned got = take_oldest(magazine, class_of(i), batch, wanted);
            if (got == 0)
                break;
            central_give(actor, &no_row, heap_of(i), class_of(i), batch, got);
            left -= got;
        }
    }
}

bool magazine_is_valid(void)
{
    bool valid = true;
    for (unsigned i = 0; i < MAGAZINE_COUNT; i++) {
        struct magazine *magazine = &magazines[i];
        lock_acquire(&magazine->lock);
        valid &= magazine->lowest <= magazine->fill && magazine->fill <= MAGAZINE_MAX_BLOCKS;
        for (unsigned k = 0; k < magazine->fill; k++) {
            struct chunk *chunk = registry_find(blocks_of(magazine)[k]);
            const struct slab *slab = chunk && chunk_kind(chunk) == CHUNK_SLABS ? slab_of(chunk, blocks_of(magazine)[k]) : NULL;
            valid &= slab && slab->class_index == class_of(i);
            valid &= slab && (class_of(i) >= OUTBOX_COUNT || slab->heap == heap_of(i));
        }
        lock_release(&magazine->lock);
    }
    return valid;
}

void magazine_acquire_locks(void)
{
    for (unsigned i = 0; i < MAGAZINE_COUNT; i++)
        lock_acquire(&magazines[i].lock);
}

void magazine_release_locks(void)
{
    for (unsigned i = 0; i < MAGAZINE_COUNT; i++)
        lock_release(&magazines[i].lock);
}

void magazine_reset_locks(void)
{
    for (unsigned i = 0; i < MAGAZINE_COUNT; i++)
        lock_reset(&magazines[i].lock);
}
