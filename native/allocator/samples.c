/* samples.c: fills and reuses the slots of the table of samples. */
#include "samples.h"

#include "control.h"
#include "hak_samples.h"
#include "lock.h"
#include "os.h"
#include "processor.h"
#include "system_call.h"
#include "telemetry.h"
#include "writer.h"

#include <string.h>
#include <sys/uio.h>

#define NO_SLOT UINT32_MAX
/* How many freed samples are kept while there is room for others, and how many at least if only long stacks lack room. */
#define MOST_FREED 1024
#define LEAST_FREED 256
/* Each slot can have so many pieces at any time. Those beyond are for whoever has a longer stack: a stack may have one of
 * them for each 64 that are left. */
#define OWN_PIECES 3u
#define SPARE_PIECES (HAK_SAMPLE_PIECES - OWN_PIECES * HAK_SAMPLE_SLOTS)
#define MOST_FORGOTTEN 16 /* freed samples that one new one with a long stack may cost */
#define ENOUGH_SPARE (64 * (HAK_SAMPLE_MOST_PIECES - OWN_PIECES))

struct place {
    const void *block;
    uint32_t next; /* in the chain of its bucket, in the queue of freed samples, or in the chain of empty slots */
    uint32_t piece_count;
    uint16_t pieces[HAK_SAMPLE_MOST_PIECES];
};

static struct lock table_lock;
/* All under table_lock. */
static struct hak_block block; /* without a header until the first sample */
static struct hak_samples *table;
static struct place *places; /* one for each slot; kept when a child begins anew */
static _Alignas(SMALLEST_PAGE_BYTES) uint32_t buckets[HAK_SAMPLE_SLOTS]; /* slot + 1; 0: empty */
static uint32_t used, freed, oldest_freed, newest_freed;
static uint32_t empty, first_empty; /* slots that are used again: how many, and the first of their chain + 1 */
static _Alignas(SMALLEST_PAGE_BYTES) uint16_t free_pieces[HAK_SAMPLE_PIECES]; /* a stack of pieces that were used before */
static uint32_t free_piece_count, pieces_ever, spare_pieces = SPARE_PIECES;
static uint64_t taken;
static bool is_stopped;

static struct hak_sample *sample_at(uint32_t slot)
{
    return (struct hak_sample *)(void *)((char *)table + HAK_SAMPLES_HEAD_BYTES + (size_t)slot * HAK_SAMPLE_SLOT_BYTES);
}

static unsigned char *piece_at(uint32_t piece)
{
    return (unsigned char *)table + HAK_SAMPLES_PIECES_OFFSET + (size_t)piece * HAK_SAMPLE_PIECE_BYTES;
}

static uint32_t *bucket_of(const void *address)
{
    return &buckets[((uintptr_t)address >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}
_Static_assert(HAK_SAMPLE_SLOTS == 1 << 12, "the hash has 12 bits");

static bool open_table_locked(void)
{
    if (table || is_stopped)
        return table != NULL;
    if (!places)
        places = os_map(HAK_SAMPLE_SLOTS * sizeof *places);
    static const struct hak_range head = {0, HAK_SAMPLES_HEAD_BYTES};
    const struct hak_block_spec spec = {
        .kind = HAK_SAMPLES_KIND,
        .build = "hakmem",
        .data_bytes = HAK_SAMPLES_BYTES,
        .used = &head,
        .used_count = 1,
        .access = (enum hak_access)control_block.header->access,
    };
    if (!places || hak_block_create(&block, &spec) != 0)
        return false;
    table = (struct hak_samples *)block.data;
    table->slots = HAK_SAMPLE_SLOTS;
    table->slot_bytes = HAK_SAMPLE_SLOT_BYTES;
    table->processor = PROCESSOR_ELF_MACHINE;
    return true;
}

static uint32_t take_fresh_slot_locked(void)
{
    if (used == HAK_SAMPLE_SLOTS || !os_populate(sample_at(used), HAK_SAMPLE_SLOT_BYTES))
        return NO_SLOT;
    telemetry_add(&telemetry->global.metadata_bytes, HAK_SAMPLE_SLOT_BYTES);
    return used++;
}

static uint32_t beyond_own(uint32_t pieces)
{
    return pieces > OWN_PIECES ? pieces - OWN_PIECES : 0;
}

static void give_pieces_locked(struct place *place)
{
    spare_pieces += beyond_own(place->piece_count);
    while (place->piece_count)
        free_pieces[free_piece_count++] = place->pieces[--place->piece_count];
}

/* The oldest of the freed samples makes room for others. */
static void forget_oldest_locked(void)
{
    uint32_t slot = oldest_freed;
    oldest_freed = places[slot].next;
    freed--;
    atomic_exchange(&sample_at(slot)->sequence, 0);
    give_pieces_locked(&places[slot]);
    places[slot].next = first_empty;
    first_empty = slot + 1;
    empty++;
}

static uint32_t take_slot_locked(void)
{
    for (unsigned i = 0; i < MOST_FORGOTTEN && freed > LEAST_FREED && spare_pieces < ENOUGH_SPARE; i++)
        forget_oldest_locked();
    uint32_t slot = empty || freed > MOST_FREED ? NO_SLOT : take_fresh_slot_locked();
    if (slot != NO_SLOT)
        return slot;
    if (!empty && freed)
        forget_oldest_locked();
    if (!empty)
        return NO_SLOT;
    slot = first_empty - 1;
    first_empty = places[slot].next;
    empty--;
    return slot;
}

/* Takes so many of the pieces that next_piece_locked named. */
static void take_pieces_locked(struct place *place, uint32_t count)
{
    uint32_t old = count < free_piece_count ? count : free_piece_count, fresh = count - old;
    free_piece_count -= old;
    pieces_ever += fresh;
    if (fresh)
        telemetry_add(&telemetry->global.metadata_bytes, (int64_t)fresh * HAK_SAMPLE_PIECE_BYTES);
    place->piece_count = count;
    spare_pieces -= beyond_own(count);
}

/* The piece that would be taken after so many others. */
static uint32_t next_piece_locked(uint32_t before)
{
    return before < free_piece_count ? free_pieces[free_piece_count - 1 - before] : pieces_ever + (before - free_piece_count);
}

/* Copies the stack from `start` up, page by page, into pieces from `first` to `end`, by a system call that stops where
 * nothing is mapped, and that gives the pieces pages. */
static long copy_part_locked(struct place *place, uint64_t start, uint32_t first, uint32_t end)
{
    struct iovec from[HAK_SAMPLE_STACK_BYTES / SMALLEST_PAGE_BYTES + 2], to[HAK_SAMPLE_MOST_PIECES];
    uint64_t at = start, stop = start + (uint64_t)(end - first) * HAK_SAMPLE_PIECE_BYTES;
    uint64_t thread_end = (uintptr_t)&locks_held; /* the C library keeps a thread's variables right above its stack */
    if (start < thread_end && thread_end < stop)
        stop = thread_end;
    unsigned pages = 0;
    while (at < stop) {
        uint64_t page_end = (at / SMALLEST_PAGE_BYTES + 1) * SMALLEST_PAGE_BYTES, next = page_end < stop ? page_end : stop;
        from[pages++] = (struct iovec){(void *)(uintptr_t)at, next - at};
        at = next;
    }
    for (uint32_t i = first; i < end; i++) {
        uint32_t piece = next_piece_locked(i);
        place->pieces[i] = (uint16_t)piece;
        to[i - first] = (struct iovec){piece_at(piece), HAK_SAMPLE_PIECE_BYTES};
    }
    return SYSTEM_CALL(SYS_process_vm_readv, block.header->pid, to, end - first, from, pages, 0);
}

/* Most stacks end within the first part. Where the system call is forbidden, what is left of the page of the stack pointer
 * is copied, which is there. */
static uint32_t copy_stack_locked(struct place *place, uint64_t stack_pointer)
{
    uint32_t spare = spare_pieces / 64, most = OWN_PIECES + spare, bytes = 0;
    if (most > HAK_SAMPLE_MOST_PIECES)
        most = HAK_SAMPLE_MOST_PIECES;
    for (uint32_t first = 0, end = OWN_PIECES; first < most; first = end, end = most) {
        long got = copy_part_locked(place, stack_pointer + bytes, first, end);
        bytes += got > 0 ? (uint32_t)got : 0;
        if (bytes < end * HAK_SAMPLE_PIECE_BYTES)
            break;
    }
    unsigned char *piece = piece_at(place->pieces[0]);
    if (!bytes && os_populate(piece, HAK_SAMPLE_PIECE_BYTES)) {
        uint32_t left = SMALLEST_PAGE_BYTES - (uint32_t)(stack_pointer % SMALLEST_PAGE_BYTES);
        bytes = left < HAK_SAMPLE_PIECE_BYTES ? left : HAK_SAMPLE_PIECE_BYTES;
        memcpy(piece, (const void *)(uintptr_t)stack_pointer, bytes);
    }
    take_pieces_locked(place, (bytes + HAK_SAMPLE_PIECE_BYTES - 1) / HAK_SAMPLE_PIECE_BYTES);
    return bytes;
}

NOINLINE bool samples_add(const struct actor *actor, const void *allocated, size_t requested_bytes, size_t block_bytes,
                          uint64_t interval_bytes)
{
    uint64_t registers[HAK_SAMPLE_REGISTERS] = {0};
    processor_get_registers(registers);
    lock_acquire(&table_lock);
    uint32_t slot = !os_is_confined() && open_table_locked() ? take_slot_locked() : NO_SLOT;
    if (slot != NO_SLOT) {
        struct hak_sample *sample = sample_at(slot);
        struct place *place = &places[slot];
        uint64_t number = ++taken;
        atomic_store_explicit(&sample->sequence, 2 * number - 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* no reader sees a new field behind the old sequence */
        sample->address = (uintptr_t)allocated;
        sample->requested_bytes = requested_bytes;
        sample->block_bytes = block_bytes;
        sample->interval_bytes = interval_bytes;
        sample->born_ns = os_now_ns();
        sample->thread = actor->thread_id;
        atomic_store_explicit(&sample->freed_ns, 0, memory_order_relaxed);
        memcpy(sample->registers, registers, sizeof registers);
        sample->stack_bytes = copy_stack_locked(place, registers[PROCESSOR_STACK_REGISTER]);
        for (uint32_t i = 0; i < place->piece_count; i++)
            sample->pieces[i] = place->pieces[i];
        atomic_store_explicit(&sample->sequence, 2 * number, memory_order_release);
        atomic_store_explicit(&table->used, used, memory_order_release);
        atomic_store_explicit(&table->taken, number, memory_order_relaxed);
        uint32_t *bucket = bucket_of(allocated);
        place->block = allocated;
        place->next = *bucket;
        *bucket = slot + 1;
    } else if (table) {
        atomic_fetch_add_explicit(&table->lost, 1, memory_order_relaxed);
    }
    lock_release(&table_lock);
    telemetry_add(slot != NO_SLOT ? &telemetry->global.samples_taken : &telemetry->global.samples_lost, 1);
    telemetry_add(&telemetry->global.samples_live, slot != NO_SLOT);
    return slot != NO_SLOT;
}

void samples_end(const void *allocated)
{
    lock_acquire(&table_lock);
    uint32_t *link = bucket_of(allocated);
    while (*link && places[*link - 1].block != allocated)
        link = &places[*link - 1].next;
    if (*link) {
        uint32_t slot = *link - 1;
        *link = places[slot].next;
        places[slot].block = NULL;
        if (freed++)
            places[newest_freed].next = slot;
        else
            oldest_freed = slot;
        newest_freed = slot;
        atomic_store_explicit(&sample_at(slot)->freed_ns, os_now_ns(), memory_order_release);
        telemetry_add(&telemetry->global.samples_live, -1);
    }
    lock_release(&table_lock);
}

/* Other threads may go on. A signal handler that ends the process may have interrupted this thread under the lock. */
void samples_stop(void)
{
    bool is_interrupted = locks_held > 0;
    if (!is_interrupted)
        lock_acquire(&table_lock);
    is_stopped = true;
    hak_block_end(&block);
    if (!is_interrupted)
        lock_release(&table_lock);
}

void samples_acquire_locks(void)
{
    lock_acquire(&table_lock);
}

void samples_release_locks(void)
{
    lock_release(&table_lock);
}

void samples_reset_locks(void)
{
    lock_reset(&table_lock);
}

/* The child must let go of its parent's file, with which it shares the lock. */
void samples_after_fork(void)
{
    if (!table)
        return;
    telemetry_add(&telemetry->global.metadata_bytes,
                  -(int64_t)used * HAK_SAMPLE_SLOT_BYTES - (int64_t)pieces_ever * HAK_SAMPLE_PIECE_BYTES);
    telemetry_set(&telemetry->global.samples_live, 0);
    telemetry_set(&telemetry->global.samples_taken, 0);
    telemetry_set(&telemetry->global.samples_lost, 0);
    os_unmap(block.header, block.bytes);
    block = (struct hak_block){.header = NULL};
    table = NULL;
    memset(buckets, 0, sizeof buckets);
    for (uint32_t slot = 0; slot < used; slot++)
        places[slot].piece_count = 0;
    used = freed = empty = first_empty = free_piece_count = pieces_ever = 0;
    spare_pieces = SPARE_PIECES;
    taken = 0;
}

bool samples_is_valid(void)
{
    bool valid = true;
    lock_acquire(&table_lock);
    uint32_t live = 0, queued = 0;
    for (uint32_t i = 0; i < HAK_SAMPLE_SLOTS; i++)
        for (uint32_t at = buckets[i]; at; at = places[at - 1].next, live++)
            valid &= at <= used && bucket_of(places[at - 1].block) == &buckets[i];
    for (uint32_t at = oldest_freed; queued < freed; at = places[at].next, queued++)
        valid &= at < used && !places[at].block;
    uint32_t pieces = free_piece_count, beyond = 0;
    for (uint32_t i = 0; i < used; i++) {
        pieces += places[i].piece_count;
        beyond += beyond_own(places[i].piece_count);
    }
    valid &= live + freed + empty == used && pieces == pieces_ever && beyond + spare_pieces == SPARE_PIECES;
    lock_release(&table_lock);
    return valid;
}
