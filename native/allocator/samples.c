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
#define MOST_FREED 1024 /* freed samples that are kept while there are slots that were never used */

struct place {
    const void *block;
    uint32_t next; /* in the chain of its bucket, or in the queue of freed samples */
};

static struct lock table_lock;
/* All under table_lock. */
static struct hak_block block; /* without a header until the first sample */
static struct hak_samples *table;
static struct place *places; /* one for each slot; kept when a child begins anew */
static uint32_t buckets[HAK_SAMPLE_SLOTS]; /* slot + 1; 0: empty */
static uint32_t used, freed, oldest_freed, newest_freed;
static uint64_t taken;
static bool is_stopped;

static struct hak_sample *sample_at(uint32_t slot)
{
    return (struct hak_sample *)(void *)((char *)table + HAK_SAMPLES_HEAD_BYTES + (size_t)slot * HAK_SAMPLE_SLOT_BYTES);
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
        .data_bytes = HAK_SAMPLES_HEAD_BYTES + (uint64_t)HAK_SAMPLE_SLOTS * HAK_SAMPLE_SLOT_BYTES,
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

static uint32_t take_slot_locked(void)
{
    uint32_t slot = freed <= MOST_FREED ? take_fresh_slot_locked() : NO_SLOT;
    if (slot != NO_SLOT || freed == 0)
        return slot;
    slot = oldest_freed;
    oldest_freed = places[slot].next;
    freed--;
    return slot;
}

/* Copies the stack from the stack pointer up, page by page, by a system call that stops where nothing is mapped. Without
 * that call only the rest of the page of the stack pointer is copied, which is there. */
static uint32_t copy_stack(unsigned char *out, uint64_t stack_pointer)
{
    struct iovec from[HAK_SAMPLE_STACK_BYTES / SMALLEST_PAGE_BYTES + 2], to = {out, HAK_SAMPLE_STACK_BYTES};
    unsigned count = 0;
    uint64_t at = stack_pointer, end = stack_pointer + HAK_SAMPLE_STACK_BYTES;
    while (at < end) {
        uint64_t page_end = (at / SMALLEST_PAGE_BYTES + 1) * SMALLEST_PAGE_BYTES, next = page_end < end ? page_end : end;
        from[count++] = (struct iovec){(void *)(uintptr_t)at, next - at};
        at = next;
    }
    long got = SYSTEM_CALL(SYS_process_vm_readv, block.header->pid, &to, 1, from, count, 0);
    if (got > 0)
        return (uint32_t)got;
    memcpy(out, from[0].iov_base, from[0].iov_len);
    return (uint32_t)from[0].iov_len;
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
        uint64_t number = ++taken;
        atomic_exchange(&sample->sequence, 2 * number - 1);
        sample->address = (uintptr_t)allocated;
        sample->requested_bytes = requested_bytes;
        sample->block_bytes = block_bytes;
        sample->interval_bytes = interval_bytes;
        sample->born_ns = os_now_ns();
        sample->thread = actor->thread_id;
        atomic_store_explicit(&sample->freed_ns, 0, memory_order_relaxed);
        memcpy(sample->registers, registers, sizeof registers);
        sample->stack_bytes = copy_stack(sample->stack, registers[PROCESSOR_STACK_REGISTER]);
        atomic_store_explicit(&sample->sequence, 2 * number, memory_order_release);
        atomic_store_explicit(&table->used, used, memory_order_release);
        atomic_store_explicit(&table->taken, number, memory_order_relaxed);
        uint32_t *bucket = bucket_of(allocated);
        places[slot] = (struct place){.block = allocated, .next = *bucket};
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
    telemetry_add(&telemetry->global.metadata_bytes, -(int64_t)used * HAK_SAMPLE_SLOT_BYTES);
    telemetry_set(&telemetry->global.samples_live, 0);
    telemetry_set(&telemetry->global.samples_taken, 0);
    telemetry_set(&telemetry->global.samples_lost, 0);
    os_unmap(block.header, block.bytes);
    block = (struct hak_block){.header = NULL};
    table = NULL;
    memset(buckets, 0, sizeof buckets);
    used = freed = 0;
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
    valid &= live + freed == used;
    lock_release(&table_lock);
    return valid;
}
