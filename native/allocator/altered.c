/* altered.c: notes the blocks whose pages were changed, and maps their pages anew. */
#include "altered.h"

#include "os.h"
#include "registry.h"
#include "size_class.h"
#include "superslab.h"

/* Notes the slab, unless its blocks are smaller than a page and so have no whole page of their own. Returns the end of its
 * span. */
static uintptr_t note_slab(struct chunk *chunk, const void *address)
{
    struct slab *slab = slab_of(chunk, address);
    unsigned slabs = slab->state == SLAB_FREE ? 1 : slab->span_slabs;
    if (slab->state == SLAB_L25 || (slab->state == SLAB_CLASS && size_classes[slab->class_index].bytes >= PAGE_BYTES)) {
        atomic_store_explicit(&slab->is_altered, 1, memory_order_relaxed);
        superslab_hide_class(slab);
    }
    return (uintptr_t)slab_start(slab) + slabs * SLAB_BYTES;
}

static uintptr_t note_chunk(struct chunk *chunk, const void *address)
{
    unsigned kind = chunk_kind(chunk);
    if (kind == CHUNK_SLABS)
        return note_slab(chunk, address);
    if (kind == CHUNK_BIG)
        atomic_store_explicit(&chunk->is_altered, 1, memory_order_relaxed);
    return (uintptr_t)chunk->base + (size_t)chunk->frames * CHUNK_BYTES;
}

/* Outside the range, only the chunk at `start` is noted. */
void altered_note(const void *start, size_t bytes)
{
    uintptr_t address = (uintptr_t)start, end = address + bytes;
    struct chunk *chunk = registry_find(start);
    if (chunk && !range_holds(start)) {
        note_chunk(chunk, start);
        return;
    }
    uintptr_t base = (uintptr_t)range.base, range_end = base + range_bytes();
    address = address > base ? address : base;
    end = end < range_end ? end : range_end;
    while (address < end) {
        chunk = registry_find((const void *)address);
        uintptr_t next = chunk ? note_chunk(chunk, (const void *)address) : 0;
        address = next > address ? next : round_up(address + 1, CHUNK_BYTES);
    }
}

bool altered_renew(void *block, size_t bytes)
{
    uintptr_t first = round_up((uintptr_t)block, PAGE_BYTES), end = ((uintptr_t)block + bytes) & ~(PAGE_BYTES - 1);
    return end <= first || os_renew((void *)first, end - first);
}
