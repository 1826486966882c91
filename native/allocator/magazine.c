/* magazine.c: blocks on their way from one thread's cache to another's. */
#include "magazine.h"

#include "lock.h"
#include "registry.h"

#include <string.h>

struct magazine {
    _Alignas(CACHE_LINE) struct lock lock;
    unsigned fill, lowest; /* lowest: fill since the last magazine_age */
    void **blocks;         /* MAGAZINE_MAX_BLOCKS, mapped at the first put */
};

static struct magazine magazines[SIZE_CLASS_COUNT];
/* Counts of upkeep; written by several, so only roughly right. */
static struct telemetry_thread_class no_row;

static void publish_locked(const struct magazine *magazine, unsigned class_index)
{
    telemetry_set(&telemetry->classes[class_index].in_magazine, magazine->fill);
}

unsigned magazine_take(unsigned class_index, void **out, unsigned wanted)
{
    struct magazine *magazine = &magazines[class_index];
    lock_acquire(&magazine->lock);
    unsigned got = wanted < magazine->fill ? wanted : magazine->fill;
    if (got) {
        magazine->fill -= got;
        if (magazine->fill < magazine->lowest)
            magazine->lowest = magazine->fill;
        memcpy(out, magazine->blocks + magazine->fill, got * sizeof *out);
        publish_locked(magazine, class_index);
    }
    lock_release(&magazine->lock);
    if (got)
        central_count_out(class_index, got);
    return got;
}

unsigned magazine_put(unsigned class_index, void *const *blocks, unsigned count, unsigned limit)
{
    struct magazine *magazine = &magazines[class_index];
    unsigned kept = 0;
    lock_acquire(&magazine->lock);
    if (!magazine->blocks)
        magazine->blocks = os_map(MAGAZINE_MAX_BLOCKS * sizeof *blocks);
    if (magazine->blocks && magazine->fill < limit) {
        kept = limit - magazine->fill < count ? limit - magazine->fill : count;
        memcpy(magazine->blocks + magazine->fill, blocks + (count - kept), kept * sizeof *blocks);
        magazine->fill += kept;
        publish_locked(magazine, class_index);
    }
    lock_release(&magazine->lock);
    if (kept)
        central_count_out(class_index, -(int64_t)kept);
    return count - kept;
}

/* Those at the bottom were not used for longest. */
static unsigned take_oldest(struct magazine *magazine, unsigned class_index, void **out, unsigned wanted)
{
    lock_acquire(&magazine->lock);
    unsigned got = wanted < magazine->fill ? wanted : magazine->fill;
    if (got) {
        memcpy(out, magazine->blocks, got * sizeof *out);
        magazine->fill -= got;
        memmove(magazine->blocks, magazine->blocks + got, magazine->fill * sizeof *out);
        publish_locked(magazine, class_index);
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
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++) {
        struct magazine *magazine = &magazines[c];
        unsigned left = is_everything ? MAGAZINE_MAX_BLOCKS : idle_blocks(magazine);
        while (left) {
            unsigned wanted = left < sizeof batch / sizeof *batch ? left : sizeof batch / sizeof *batch;
            unsigned got = take_oldest(magazine, c, batch, wanted);
            if (got == 0)
                break;
            central_give(actor, &no_row, 0, c, batch, got);
            left -= got;
        }
    }
}

bool magazine_is_valid(void)
{
    bool valid = true;
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++) {
        struct magazine *magazine = &magazines[c];
        lock_acquire(&magazine->lock);
        valid &= magazine->lowest <= magazine->fill && magazine->fill <= MAGAZINE_MAX_BLOCKS;
        for (unsigned i = 0; i < magazine->fill; i++) {
            struct chunk *chunk = registry_find(magazine->blocks[i]);
            valid &= chunk && chunk_kind(chunk) == CHUNK_SLABS && slab_of(chunk, magazine->blocks[i])->class_index == c;
        }
        lock_release(&magazine->lock);
    }
    return valid;
}

void magazine_acquire_locks(void)
{
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        lock_acquire(&magazines[c].lock);
}

void magazine_release_locks(void)
{
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        lock_release(&magazines[c].lock);
}

void magazine_reset_locks(void)
{
    for (unsigned c = 0; c < SIZE_CLASS_COUNT; c++)
        lock_reset(&magazines[c].lock);
}
