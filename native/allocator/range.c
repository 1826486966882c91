/* range.c: where the zone lies, and how much of its tables is mapped. */
#include "range.h"

#include "lock.h"
#include "os.h"
#include "telemetry.h"

#define TABLE_SLOT_BYTES (RANGE_MAX_BYTES / SLAB_BYTES * sizeof(uint16_t)) /* the largest table is class_of_slab */
#define FIRST_BYTES ((size_t)128 << 20) /* range.bytes at first, for which class_of_slab needs the smallest page */
_Static_assert(RANGE_MAX_BYTES / CHUNK_BYTES * sizeof(void *) <= TABLE_SLOT_BYTES, "it has a slot as well");

#define METADATA_SLOT_BYTES ((size_t)16 << 30) /* descriptors need 36 KiB for each chunk of 2 MiB */
#define BEFORE_FRAMES (METADATA_SLOT_BYTES + round_up(RANGE_TABLE_COUNT * TABLE_SLOT_BYTES, CHUNK_BYTES))

/* The zone begins between 16 and 18 TiB, above the addresses that programs ask for. The system maps by itself from
 * 127 TiB down, from 42 TiB up (setarch -L), or from 20 TiB down (ulimit -s unlimited). In the last case it has one TiB. */
#define ZONE_LOWEST ((uintptr_t)0x101000000000)
#define ZONE_SPAN ((uintptr_t)0x01f000000000)
/* If that is taken, as ThreadSanitizer's shadow takes it, the zone begins at half a TiB. */
#define ZONE_SECOND_CHOICE ((uintptr_t)0x008000000000)
/* If the addresses of the system end below that (64-bit ARM with 39 bits), it begins at an eighth of a TiB. */
#define ZONE_THIRD_CHOICE ((uintptr_t)0x002000000000)

_Alignas(CACHE_LINE) struct range range;

static struct lock range_lock;
static size_t mapped_bytes[RANGE_TABLE_COUNT]; /* under range_lock */
static _Alignas(CACHE_LINE) unsigned heap_count;

unsigned range_heap_count(void)
{
    return heap_count;
}

void *range_zone(void)
{
    return range.base ? range.base - BEFORE_FRAMES : NULL;
}

void *range_table(enum range_table table)
{
    return range.base ? range.base - (table + 1) * TABLE_SLOT_BYTES : NULL;
}

static bool reach_locked(enum range_table table, size_t bytes)
{
    size_t had = mapped_bytes[table], wanted = round_up(bytes, PAGE_BYTES);
    if (wanted <= had)
        return true;
    if (wanted > TABLE_SLOT_BYTES || os_map_at((char *)range_table(table) + had, wanted - had) != OS_PLACED)
        return false;
    mapped_bytes[table] = wanted;
    telemetry_add(&telemetry->global.metadata_bytes, (int64_t)(wanted - had));
    return true;
}

bool range_table_reach(enum range_table table, size_t bytes)
{
    if (!range.base)
        return false;
    lock_acquire(&range_lock);
    bool done = reach_locked(table, bytes);
    lock_release(&range_lock);
    return done;
}

/* The bound doubles, so that tables seldom grow. They need about a 4096th of the range's memory. */
bool range_grow(size_t bytes)
{
    size_t had = range_bytes(), wanted = had ? had : FIRST_BYTES;
    if (bytes <= had)
        return true;
    if (!range.base || bytes > RANGE_MAX_BYTES)
        return false;
    while (wanted < bytes)
        wanted *= 2;
    lock_acquire(&range_lock);
    bool done = reach_locked(RANGE_CHUNK_OF_FRAME, wanted / CHUNK_BYTES * sizeof(void *));
    for (unsigned heap = 0; done && heap < heap_count; heap++)
        done = reach_locked(RANGE_CLASS_OF_SLAB + heap, wanted / SLAB_BYTES * sizeof(uint16_t));
    if (done) {
        atomic_store_explicit(&range.bytes, wanted, memory_order_release);
        telemetry_set(&telemetry->global.reserved_bytes, wanted);
    }
    lock_release(&range_lock);
    return done;
}

/* Returns a place that is as random as the place of this library. */
static uintptr_t first_choice(void)
{
    uintptr_t places = ZONE_SPAN / CHUNK_BYTES, random = (uintptr_t)&range / PAGE_BYTES;
    return ZONE_LOWEST + random % places * CHUNK_BYTES;
}

void range_start(unsigned heaps)
{
    const uintptr_t choices[] = {first_choice(), ZONE_SECOND_CHOICE, ZONE_THIRD_CHOICE};
    heap_count = heaps;
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++) {
        range.base = (char *)choices[i] + BEFORE_FRAMES;
        if (range_grow(FIRST_BYTES)) {
            os_place_metadata(range_zone(), METADATA_SLOT_BYTES);
            return;
        }
        for (unsigned table = 0; table < RANGE_TABLE_COUNT; table++) {
            if (mapped_bytes[table])
                os_unmap(range_table(table), mapped_bytes[table]);
            telemetry_add(&telemetry->global.metadata_bytes, -(int64_t)mapped_bytes[table]);
            mapped_bytes[table] = 0;
        }
    }
    range.base = NULL;
}

void range_acquire_locks(void)
{
    lock_acquire(&range_lock);
}

void range_release_locks(void)
{
    lock_release(&range_lock);
}

void range_reset_locks(void)
{
    lock_reset(&range_lock);
}
