/* memory_layout.c: fills in struct hak_memory. Nothing here runs after the start. */
#include "memory_layout.h"

#include "big_stripe.h"
#include "chunk.h"
#include "control.h"
#include "hak_memory.h"
#include "range.h"
#include "registry.h"
#include "size_class.h"
#include "tls_cache.h"

_Static_assert(SIZE_CLASS_COUNT <= HAK_MEMORY_MOST_CLASSES, "each class has its size");
#define FIELD_IS(type, field, size) _Static_assert(sizeof(((struct type *)0)->field) == (size), "as hak_memory.h says")
FIELD_IS(chunk, base, 8);
FIELD_IS(chunk, frames, 4);
FIELD_IS(chunk, kind, 1);
FIELD_IS(chunk, big_state, 4);
FIELD_IS(chunk, block_bits, 8);
FIELD_IS(slab, used, 4);
FIELD_IS(slab, bump, 4);
FIELD_IS(slab, remote_count, 4);
FIELD_IS(slab, state, 1);
FIELD_IS(slab, class_index, 1);
FIELD_IS(slab, span_slabs, 1);
FIELD_IS(tls_cache, made_before, 8);
FIELD_IS(bin, top, 8);
FIELD_IS(bin, base, 8);

/* The linker's names for the bounds of this program's or library's static data that begins as zeros. */
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

static struct hak_memory memory = {
    .bytes = sizeof memory,
    .chunk_bytes = CHUNK_BYTES,
    .chunk_slabs = SLABS_PER_CHUNK,
    .class_count = SIZE_CLASS_COUNT,
    .chunk_stride = sizeof(struct chunk),
    .chunk_base = offsetof(struct chunk, base),
    .chunk_frames = offsetof(struct chunk, frames),
    .chunk_kind = offsetof(struct chunk, kind),
    .chunk_big_state = offsetof(struct chunk, big_state),
    .chunk_bits = offsetof(struct chunk, block_bits),
    .chunk_slabs_offset = offsetof(struct chunk, slabs),
    .slab_stride = sizeof(struct slab),
    .slab_used = offsetof(struct slab, used),
    .slab_bump = offsetof(struct slab, bump),
    .slab_remote_count = offsetof(struct slab, remote_count),
    .slab_state = offsetof(struct slab, state),
    .slab_class = offsetof(struct slab, class_index),
    .slab_span = offsetof(struct slab, span_slabs),
    .kind_slabs = CHUNK_SLABS,
    .kind_big = CHUNK_BIG,
    .state_class = SLAB_CLASS,
    .state_large = SLAB_L25,
    .big_at_user = BIG_AT_USER,
    .big_cached = BIG_CACHED,
    .cache_next = offsetof(struct tls_cache, made_before),
    .cache_bins = offsetof(struct tls_cache, bins),
    .cache_bin_count = BIN_COUNT + OUTBOX_COUNT,
    .bin_stride = sizeof(struct bin),
    .bin_top = offsetof(struct bin, top),
    .bin_base = offsetof(struct bin, base),
    .bits_line_bytes = CACHE_LINE,
    .bits_stride = sizeof ((struct block_bits *)0)->free[0],
    .class_bytes = {
#define HAK_SIZE_CLASS(bytes, group, span_slabs) bytes,
#include "size_classes.def"
#undef HAK_SIZE_CLASS
    },
};

bool memory_layout_publish(void)
{
    memory.frames_start = (uintptr_t)range.base;
    memory.static_start = (uintptr_t)__bss_start;
    memory.static_end = (uintptr_t)_end;
    memory.caches = (uintptr_t)&tls_caches;
    memory.first_segment_entries = registry_segments(&memory.segments, &memory.entries_ever);
    hak_block_publish_memory(&control_block, range_zone(), range.base ? range.base + RANGE_MAX_BYTES : NULL, &memory);
    return true;
}
