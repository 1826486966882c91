/* central.c: refills from and returns to slabs; remote frees. */
#include "central.h"

#include "block_bits.h"
#include "central_lists.h"
#include "clock.h"
#include "events.h"
#include "settings.h"

static _Alignas(CACHE_LINE) unsigned heap_count = 1;

/* A central list is neglected once NEGLECTED_TIMES remote.drain_threshold blocks or NEGLECTED_BYTES wait in it. */
#define NEGLECTED_TIMES 4u
#define NEGLECTED_BYTES ((size_t)1 << 20)
#define ADDRESS_BITS 48
#define ADDRESS_MASK ((UINT64_C(1) << ADDRESS_BITS) - 1)

void central_start(void)
{
    uint32_t twice = 2 * os_cpu_count();
    heap_count = twice < MAX_HEAPS ? twice : MAX_HEAPS;
}

unsigned central_heap_count(void)
{
    return heap_count;
}

unsigned central_sampled_heap(void)
{
    return heap_count;
}

static bool has_blocks(const struct slab *slab)
{
    return slab->free_count || slab->bump < size_classes[slab->class_index].span_blocks;
}

static void put_block_locked(struct slab *slab, const void *block)
{
    slab->used -= block_bits_put(slab, block);
    slab->activity = SLAB_TOUCHED;
}

static void link_pending(struct central *central, struct slab *slab)
{
    struct slab *head = atomic_load_explicit(&central->pending, memory_order_relaxed);
    do
        slab->pending_next = head;
    while (!atomic_compare_exchange_weak_explicit(&central->pending, &head, slab, memory_order_release,
                                                  memory_order_relaxed));
}

/* Makes the blocks that other heaps freed free blocks of their slabs. Returns how many there were. */
static uint32_t drain_locked(const struct actor *actor, struct central *central)
{
    uint32_t drained = 0, fresh;
    struct slab *slab = atomic_exchange_explicit(&central->pending, NULL, memory_order_acquire);
    while (slab) {
        struct slab *next = slab->pending_next; /* read before the count becomes 0: then the slab may be linked anew */
        uint32_t count = block_bits_take_remote(slab, &fresh);
        slab->used -= fresh;
        slab->activity = SLAB_TOUCHED;
        if (slab->used == 0) /* what is left over are blocks that were freed twice */
            count = atomic_load_explicit(&slab->remote_count, memory_order_relaxed);
        drained += count;
        if (atomic_fetch_sub_explicit(&slab->remote_count, count, memory_order_release) != count)
            link_pending(central, slab); /* some thread has yet to set its bits */
        if (fresh || slab->used == 0)
            central_settle_locked(actor, central, slab);
        slab = next;
    }
    atomic_fetch_sub_explicit(&central->pending_blocks, drained, memory_order_relaxed);
    return drained;
}

static void drain_and_tell_locked(const struct actor *actor, struct telemetry_thread_class *row, struct central *central,
                                  unsigned class_index)
{
    uint32_t drained = drain_locked(actor, central);
    telemetry_bump(&row->remote_received, drained);
    uint32_t told = event_sum_add(&central->drained_blocks, actor, drained);
    if (told)
        event_append(actor, EVENT_REMOTE_DRAIN, CAUSE_LOAD, class_index, 0, told);
}

static void drain_if_many_locked(const struct actor *actor, struct telemetry_thread_class *row, struct central *central,
                                 unsigned class_index)
{
    if (UNLIKELY(SETTING(remote_drain_enable) && atomic_load_explicit(&central->pending_blocks, memory_order_relaxed) >=
                                                     SETTING(remote_drain_threshold)))
        drain_and_tell_locked(actor, row, central, class_index);
}

/* Whether so many blocks wait in another heap's central list that the threads of that heap seem to make no more calls. */
static bool is_neglected(struct central *central, unsigned class_index)
{
    size_t pending = atomic_load_explicit(&central->pending_blocks, memory_order_relaxed);
    return SETTING(remote_drain_enable) &&
           (pending >= NEGLECTED_TIMES * (size_t)SETTING(remote_drain_threshold) ||
            pending * size_classes[class_index].bytes >= NEGLECTED_BYTES);
}

static void drain_neglected(const struct actor *actor, struct telemetry_thread_class *row, unsigned own_heap,
                            unsigned class_index)
{
    for (unsigned heap = 0; heap <= heap_count; heap++) {
        struct central *central = &centrals[heap][class_index];
        if (heap == own_heap || LIKELY(!is_neglected(central, class_index)) || !lock_try(&central->lock))
            continue;
        drain_and_tell_locked(actor, row, central, class_index);
        lock_release(&central->lock);
    }
}

static unsigned take_from_slab(struct slab *slab, void **out, unsigned wanted)
{
    const struct size_class *class = &size_classes[slab->class_index];
    unsigned got = block_bits_take(slab, out, wanted);
    unsigned fresh = wanted - got;
    if (fresh > class->span_blocks - slab->bump)
        fresh = class->span_blocks - slab->bump;
    char *block = slab_start(slab) + (size_t)slab->bump * class->bytes;
    for (unsigned i = 0; i < fresh; i++)
        out[got + fresh - 1 - i] = block + (size_t)i * class->bytes;
    slab->bump += fresh;
    slab->used += got + fresh;
    slab->activity = SLAB_TOUCHED;
    return got + fresh;
}

static struct slab *acquire_slab(const struct actor *actor, unsigned heap, unsigned class_index)
{
    const struct size_class *class = &size_classes[class_index];
    struct slab *slab = superslab_acquire(actor, class->span_slabs, SLAB_CLASS, class_index, heap);
    if (slab) {
        telemetry_add(&telemetry->classes[class_index].slabs, class->span_slabs);
        telemetry_add(&telemetry->classes[class_index].blocks, class->span_blocks);
    }
    return slab;
}

void central_count_out(unsigned class_index, int64_t blocks)
{
    telemetry_add(&telemetry->classes[class_index].out, blocks);
    telemetry_add(&telemetry->global.handed_out_bytes, blocks * (int64_t)size_classes[class_index].bytes);
}

/* Makes a COLD slab serve again. Returns NULL if there is none. */
static struct slab *warm_up_locked(const struct actor *actor, struct central *central)
{
    struct slab *slab = central->lists[SLAB_COLD];
    if (!slab)
        return NULL;
    central_unlist_locked(central, slab);
    central_note_purged_serve(actor, slab);
    central_set_purged_pages(slab, 0);
    central_list_locked(central, slab, SLAB_PARTIAL);
    return slab;
}

unsigned central_take(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                      void **out, unsigned wanted, uint32_t *fresh_slabs)
{
    struct central *central = &centrals[heap][class_index];
    unsigned got = 0;
    lock_acquire(&central->lock);
    drain_if_many_locked(actor, row, central, class_index);
    central->is_taken_from = true;
    while (got < wanted) {
        struct slab *slab = central->lists[SLAB_PARTIAL];
        if (!slab) {
            uint32_t drained = drain_locked(actor, central);
            telemetry_bump(&row->remote_received, drained);
            if (central->lists[SLAB_PARTIAL])
                continue;
            if (got)
                break; /* a smaller refill is better than one more slab */
            slab = warm_up_locked(actor, central);
        }
        if (!slab) {
            lock_release(&central->lock);
            slab = acquire_slab(actor, heap, class_index);
            if (!slab)
                return 0;
            *fresh_slabs += slab->is_zeroed ? slab->span_slabs : 0;
            lock_acquire(&central->lock);
            atomic_store_explicit(&central->is_in_use, true, memory_order_relaxed);
            central_list_locked(central, slab, SLAB_PARTIAL);
        }
        got += take_from_slab(slab, out + got, wanted - got);
        if (!has_blocks(slab))
            central_unlist_locked(central, slab);
    }
    lock_release(&central->lock);
    central_count_out(class_index, got);
    return got;
}

/* Blocks of one slab on their way to another heap. They are linked through the array that they were given in: above the
 * address, an entry of blocks[] holds the index of the next one. So no block is touched. */
struct group {
    struct slab *slab;
    uint32_t first, count;
};
#define GROUPS 16 /* a power of two */

/* The count is raised before the bits are set, because the slab may be released as soon as its last bit is. */
static void push_remote(struct group *group, void *const *blocks)
{
    struct slab *slab = group->slab;
    unsigned class_index = slab->class_index;
    struct central *central = &centrals[slab->heap][class_index];
    const char *start = slab_start(slab);
    _Atomic uint64_t *bits = remote_bits_of(slab), *word = NULL;
    uint64_t mask = 0;
    atomic_fetch_add_explicit(&central->pending_blocks, group->count, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&slab->remote_count, group->count, memory_order_acquire) == 0)
        link_pending(central, slab); /* the addition acquired: the thread that took the bits has read pending_next */
    for (uint32_t i = group->first; group->count; group->count--) {
        uint64_t entry = (uintptr_t)blocks[i];
        uint32_t index = block_index(start, class_index, (const void *)(uintptr_t)(entry & ADDRESS_MASK));
        _Atomic uint64_t *its_word = bits + bit_word_place(index / 64);
        if (word != its_word) {
            if (word)
                atomic_fetch_or_explicit(word, mask, memory_order_release);
            word = its_word;
            mask = 0;
        }
        mask |= UINT64_C(1) << (index % 64);
        i = (uint32_t)(entry >> ADDRESS_BITS);
    }
    atomic_fetch_or_explicit(word, mask, memory_order_release);
    group->slab = NULL;
}

/* Adds blocks[i] to the group of its slab. Returns how many groups (0 or 1) were handed over to make room for it. */
static uint32_t add_to_group(struct group *groups, struct slab *slab, void **blocks, uint32_t i, uint32_t batch)
{
    struct group *group = &groups[((uintptr_t)slab / sizeof *slab) & (GROUPS - 1)];
    bool is_full = group->slab && (group->slab != slab || group->count >= batch);
    if (is_full)
        push_remote(group, blocks);
    if (!group->slab)
        *group = (struct group){.slab = slab};
    blocks[i] = (void *)((uintptr_t)blocks[i] | (uintptr_t)group->first << ADDRESS_BITS);
    group->first = i;
    group->count++;
    return is_full;
}

/* The last slab for samples of a class: often it holds a single block, which comes and goes. Without a block it is released
 * by the purge, once it is idle. */
static bool is_kept_locked(const struct central *central, const struct slab *slab)
{
    return slab->heap == central_sampled_heap() && central->lists[SLAB_PARTIAL] == slab && !slab->next;
}

void central_give(const struct actor *actor, struct telemetry_thread_class *row, unsigned heap, unsigned class_index,
                  void **blocks, unsigned count)
{
    struct central *central = &centrals[heap][class_index];
    struct group groups[GROUPS];
    for (unsigned i = 0; i < GROUPS; i++)
        groups[i].slab = NULL;
    uint32_t batch = (uint32_t)SETTING(remote_batch), remote = 0, batches = 0;
    central_count_out(class_index, -(int64_t)count);
    struct slab *slab = NULL;
    uintptr_t start = 0;
    size_t bytes = 0; /* slab, start and bytes are of the last block's slab, which most often holds the next one too */
    lock_acquire(&central->lock);
    for (unsigned i = 0; i < count; i++) {
        void *block = blocks[i];
        if ((uintptr_t)block - start >= bytes) {
            slab = slab_of(registry_find(block), block);
            start = (uintptr_t)slab_start(slab);
            bytes = (size_t)slab->span_slabs * SLAB_BYTES;
        }
        HAK_ASSERT(slab->state == SLAB_CLASS && slab->class_index == class_index);
        if (slab->heap != heap) {
            batches += add_to_group(groups, slab, blocks, i, batch);
            remote++;
            continue;
        }
        put_block_locked(slab, block);
        if ((slab->used == 0 && !is_kept_locked(central, slab)) || !slab->list)
            central_settle_locked(actor, central, slab);
    }
    drain_if_many_locked(actor, row, central, class_index);
    lock_release(&central->lock);
    if (remote) {
        for (unsigned i = 0; i < GROUPS; i++)
            if (groups[i].slab) {
                push_remote(&groups[i], blocks);
                batches++;
            }
        drain_neglected(actor, row, heap, class_index);
        telemetry_bump(&row->remote_sent, remote);
        telemetry_bump(&row->remote_batches, batches);
    }
}

void central_give_home(const struct actor *actor, unsigned class_index, void **blocks, unsigned count)
{
    central_count_out(class_index, -(int64_t)count);
    for (unsigned heap = 0; heap <= heap_count && count; heap++) {
        struct central *central = &centrals[heap][class_index];
        unsigned others = 0; /* a slab's descriptor is only read while blocks of it are here: later it may be reused */
        lock_acquire(&central->lock);
        for (unsigned i = 0; i < count; i++) {
            struct slab *slab = slab_of(registry_find(blocks[i]), blocks[i]);
            if (slab->heap != heap) {
                blocks[others++] = blocks[i];
                continue;
            }
            put_block_locked(slab, blocks[i]);
            if (slab->used == 0 || !slab->list)
                central_settle_locked(actor, central, slab);
        }
        lock_release(&central->lock);
        count = others;
    }
}

void central_drain_all(const struct actor *actor)
{
    for (unsigned heap = 0; heap <= heap_count; heap++) {
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            if (!atomic_load_explicit(&central->pending, memory_order_relaxed))
                continue;
            lock_acquire(&central->lock);
            drain_locked(actor, central);
            lock_release(&central->lock);
        }
    }
}

static bool slab_is_valid(struct slab *slab, unsigned heap, unsigned class_index)
{
    return slab->state == SLAB_CLASS && slab->heap == heap && slab->class_index == class_index &&
           (!central_is_empty_locked(slab) || heap == central_sampled_heap()) &&
           slab->list && has_blocks(slab) && slab->used + slab->free_count == slab->bump &&
           block_bits_are_valid(slab);
}

bool central_is_valid(void)
{
    bool valid = true;
    for (unsigned heap = 0; heap <= heap_count; heap++) {
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++) {
            struct central *central = &centrals[heap][class_index];
            lock_acquire(&central->lock);
            for (struct slab *slab = central->lists[SLAB_PARTIAL]; slab; slab = slab->next)
                valid &= slab_is_valid(slab, heap, class_index) && !slab->purged_pages;
            for (struct slab *slab = central->lists[SLAB_COLD]; slab; slab = slab->next)
                valid &= slab_is_valid(slab, heap, class_index) && slab->purged_pages;
            lock_release(&central->lock);
        }
    }
    return valid;
}

void central_acquire_locks(void)
{
    for (unsigned heap = 0; heap <= heap_count; heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++)
            lock_acquire(&centrals[heap][class_index].lock);
}

void central_release_locks(void)
{
    for (unsigned heap = 0; heap <= heap_count; heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++)
            lock_release(&centrals[heap][class_index].lock);
}

void central_reset_locks(void)
{
    for (unsigned heap = 0; heap <= heap_count; heap++)
        for (unsigned class_index = 0; class_index < SIZE_CLASS_COUNT; class_index++)
            lock_reset(&centrals[heap][class_index].lock);
    central_reset_walk();
}
