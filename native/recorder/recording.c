/* recording.c: starts the recording of a process image, and stores the records of its threads. */
#include "recording.h"

#include "modules.h"
#include "spool_files.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* These survive a fork, so they are set only once. */
static pthread_key_t thread_end_key;
static bool has_key;
static _Atomic bool is_mapping;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- records ------------------------------------------------------------------------------------------ */

/* Ends the recording of this process image. The reader reports the error. */
static void stop(uint32_t error)
{
    atomic_store_explicit(&recording->status, RECORDING_OFF, memory_order_release);
    uint32_t none = 0;
    atomic_compare_exchange_strong(&recording->head->stopped, &none, error);
}

/* Unmaps the segments that the reader has read completely. */
static void unmap_consumed_locked(void)
{
    uint64_t consumed = atomic_load_explicit(&recording->head->consumed, memory_order_acquire);
    for (; recording->oldest_segment < consumed >> SPOOL_SEGMENT_SHIFT; recording->oldest_segment++) {
        uint64_t slot = recording->oldest_segment % RECORDING_SEGMENTS;
        if (recording->segments[slot].number == recording->oldest_segment + 1) {
            spool_files_unmap(recording->segments[slot].records);
            recording->segments[slot].number = 0;
        }
    }
}

static struct spool_record *find_segment(uint64_t number)
{
    uint32_t error = 0;
    recording_lock();
    uint64_t slot = number % RECORDING_SEGMENTS;
    if (recording->segments[slot].number != number + 1) {
        unmap_consumed_locked();
        if (atomic_load_explicit(&recording->head->stop, memory_order_relaxed)) {
            error = ECANCELED;
        } else if (number > 0 && !spool_files_have_reader()) {
            error = EPIPE; /* otherwise the program would fill the disk after its reader was killed */
        } else if (recording->segments[slot].number != 0) {
            error = EOVERFLOW;
        } else {
            struct spool_record *records = spool_files_add_segment(recording, number, &error);
            if (records) {
                recording->segments[slot].records = records;
                recording->segments[slot].number = number + 1;
            }
        }
    }
    struct spool_record *records = error ? NULL : recording->segments[slot].records;
    recording_unlock();
    if (error)
        stop(error);
    return records;
}

/* Stores one record. The calling thread is marked as inside the recorder, and has its index. */
static void store(enum spool_kind kind, uint64_t address, uint64_t value, unsigned alignment_log2, uint64_t site)
{
    struct recording_thread *me = &recording_thread;
    uint64_t clock = recording_clock();
    uint64_t number = atomic_fetch_add_explicit(&recording->head->next, 1, memory_order_relaxed);
    uint64_t segment = number >> SPOOL_SEGMENT_SHIFT;
    if (__builtin_expect(me->segment != segment || !me->records, 0)) {
        me->records = find_segment(segment);
        me->segment = segment;
        if (!me->records)
            return;
    }
    struct spool_record *record = me->records + (number & (SPOOL_SEGMENT_RECORDS - 1));
    uint64_t thread = me->index;
    uint64_t word0 = (uint64_t)alignment_log2 << 56 | (uint64_t)kind << SPOOL_VALUE_BITS | (address & SPOOL_VALUE_MASK);
    uint64_t word1 = thread >> 16 << SPOOL_VALUE_BITS | (value < SPOOL_VALUE_MASK ? value : SPOOL_VALUE_MASK);
    uint64_t word2 = thread << SPOOL_VALUE_BITS | (site & SPOOL_VALUE_MASK);
    atomic_store_explicit(&record->word[0], word0, memory_order_relaxed);
    atomic_store_explicit(&record->word[1], word1, memory_order_relaxed);
    atomic_store_explicit(&record->word[2], word2, memory_order_relaxed);
    atomic_store_explicit(&record->word[3], clock ? clock : 1, memory_order_release);
}

/* Gives the calling thread its index. The trace has an event for the start of each thread except the first. */
__attribute__((noinline)) static void join_recording(void)
{
    struct recording_thread *me = &recording_thread;
    me->epoch = recording->epoch;
    me->records = NULL;
    me->has_ended = false;
    me->destructor_rounds = 0;
    me->index = atomic_fetch_add_explicit(&recording->head->threads, 1, memory_order_relaxed);
    if (has_key)
        pthread_setspecific(thread_end_key, me);
    if (me->index)
        store(SPOOL_THREAD_START, 0, 0, 0, 0);
}

/* Destructors of other keys may still free blocks. So this one asks for further rounds, and records the end of the thread
 * in the last round. */
static void on_thread_end(void *value)
{
    struct recording_thread *me = value;
    if (++me->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        me->is_inside = true; /* pthread_setspecific may allocate */
        pthread_setspecific(thread_end_key, me);
        me->is_inside = false;
        return;
    }
    struct recording *state = recording;
    if (!state || atomic_load_explicit(&state->status, memory_order_acquire) != RECORDING_ON || me->is_inside ||
        me->epoch != state->epoch)
        return;
    me->is_inside = true;
    store(SPOOL_THREAD_END, 0, 0, 0, 0);
    me->index = 0; /* blocks that the C library still frees for this thread count as the first thread's */
    me->is_inside = false;
}

static inline unsigned log2_of(size_t alignment)
{
    return alignment ? (unsigned)__builtin_ctzl(alignment) : 0;
}

void recording_append(enum spool_kind kind, const void *block, size_t bytes, size_t alignment,
                      const void *call_site)
{
    struct recording_thread *me = &recording_thread;
    if (__builtin_expect(me->is_inside, 0))
        return;
    struct recording *state = recording;
    if (__builtin_expect(!state || atomic_load_explicit(&state->status, memory_order_acquire) != RECORDING_ON, 0)) {
        if (!recording_start())
            return;
        state = recording;
    }
    me->is_inside = true;
    if (__builtin_expect(me->epoch != state->epoch, 0)) {
        int error = errno;
        join_recording();
        errno = error;
    }
    uint64_t site = (uint64_t)(uintptr_t)call_site;
    _Atomic uint64_t *known = &state->known_sites[(site ^ site >> 15) % RECORDING_SITE_SLOTS];
    if (__builtin_expect(atomic_load_explicit(known, memory_order_relaxed) != site, 0)) {
        int error = errno;
        uint32_t copies = modules_learn(site);
        if (copies)
            store(SPOOL_MODULES, false, copies, 0, 0);
        atomic_store_explicit(known, site, memory_order_relaxed);
        errno = error;
    }
    store(kind, (uint64_t)(uintptr_t)block, bytes, log2_of(alignment), site);
    me->is_inside = false;
}

void recording_forget_modules(void)
{
    struct recording_thread *me = &recording_thread;
    struct recording *state = recording;
    if (!state || atomic_load_explicit(&state->status, memory_order_acquire) != RECORDING_ON || me->is_inside ||
        me->epoch != state->epoch)
        return;
    me->is_inside = true;
    store(SPOOL_MODULES, true, modules_forget(), 0, 0);
    me->is_inside = false;
}

/* --- start and end ------------------------------------------------------------------------------------ */

static struct recording *map_new_state(void)
{
    size_t bytes = sizeof *recording; /* the kernel rounds it up to whole pages */
    void *state = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return state == MAP_FAILED || madvise(state, bytes, MADV_WIPEONFORK) ? NULL : state;
}

/* Makes the mapping for the state. Forked children inherit it, but the kernel empties it in them. */
static bool map_state(void)
{
    if (recording)
        return true;
    if (atomic_exchange(&is_mapping, true))
        return false;
    struct recording *state = map_new_state();
    if (!state)
        return false;
    recording_choose_clock();
    has_key = !pthread_key_create(&thread_end_key, on_thread_end);
    recording = state;
    return true;
}

/* Makes the spool of a state that is starting. Returns 0, or the errno; a program that is not recorded has none. */
static uint32_t begin(struct recording *state)
{
    uint32_t error = 0;
    state->epoch = now_ns(CLOCK_MONOTONIC) | 1;
    state->head = spool_files_create(state, &error);
    atomic_store_explicit(&state->status, state->head ? RECORDING_ON : RECORDING_OFF, memory_order_release);
    return error;
}

bool recording_start(void)
{
    struct recording_thread *me = &recording_thread;
    if (me->is_inside)
        return false;
    me->is_inside = true;
    int error = errno;
    bool is_on = false;
    uint32_t unstarted = RECORDING_UNSTARTED;
    if (!map_state()) {
    } else if (atomic_compare_exchange_strong(&recording->status, &unstarted, RECORDING_STARTING)) {
        begin(recording);
        is_on = recording->head != NULL;
    } else {
        /* Another thread is starting the recording, so a few calls of this thread may not be recorded. That cannot happen
         * before main or after a fork, because there is only one thread then. */
        is_on = unstarted == RECORDING_ON;
    }
    errno = error;
    me->is_inside = false;
    return is_on;
}

int recording_start_in(const char *folder)
{
    struct recording_thread *me = &recording_thread;
    struct recording *former = recording;
    if (!former)
        return ENOMEM; /* the constructor could not map it */
    if (me->is_inside || atomic_load_explicit(&former->status, memory_order_acquire) != RECORDING_OFF)
        return EBUSY;
    me->is_inside = true;
    /* The former state stays mapped: a thread may be in the middle of a record that goes there. */
    uint32_t error = ENOMEM;
    struct recording *state = map_new_state();
    if (state) {
        spool_files_set_folder(folder);
        error = begin(state);
        recording = state;
    }
    me->is_inside = false;
    return (int)error;
}

void recording_stop(void)
{
    uint32_t on = RECORDING_ON;
    if (recording)
        atomic_compare_exchange_strong(&recording->status, &on, RECORDING_OFF);
}

void recording_end(void)
{
    struct recording *state = recording;
    /* The pid is compared because a child of vfork that ends shares this memory with its parent. */
    if (state && state->head && state->head->pid == (uint32_t)getpid())
        atomic_store_explicit(&state->head->ended, 1, memory_order_release);
}
