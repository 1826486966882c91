/* recording_state.h: the recorder's state of a process and of a thread, its clock and its lock.
 *
 * All state of a process image lies in one mapping that the kernel empties in a forked child
 * (MADV_WIPEONFORK), and the spool's mappings are not inherited (MADV_DONTFORK). So in every child, however it was
 * forked, the recorder is not started, and the child's first call starts a spool of its own.
 * A child of vfork shares its parent's memory and writes into its parent's spool. */
#ifndef HAK_RECORDING_STATE_H
#define HAK_RECORDING_STATE_H

#include "spool.h"

#include <stdbool.h>
#include <stddef.h>

#define RECORDING_SITE_SLOTS 32768u /* for call sites whose module is known; direct-mapped */
#define RECORDING_SEGMENTS 16384u   /* at most so many segments may be unread: 16 GiB of spool */
#define RECORDING_RANGES 2048u

enum recording_status { RECORDING_UNSTARTED = 0, RECORDING_STARTING, RECORDING_ON, RECORDING_OFF };

struct address_range {
    uint64_t start, end;
};

struct recording {
    _Atomic uint32_t status; /* enum recording_status; acquire and release */
    _Atomic uint32_t lock;
    uint64_t epoch; /* differs between process images that share thread-local storage by fork */
    struct spool_head *head;
    char stem[512]; /* path of the spool's files, without the suffix */
    size_t stem_length;
    uint64_t oldest_segment; /* under the lock, like all members below except known_sites */
    struct {
        uint64_t number; /* number of the segment plus one, or 0 if there is none */
        struct spool_record *records;
    } segments[RECORDING_SEGMENTS];
    uint32_t range_count, map_copies;
    struct address_range ranges[RECORDING_RANGES]; /* executable memory in the last copy of the maps */
    _Atomic uint64_t known_sites[RECORDING_SITE_SLOTS];
};

struct recording_thread {
    uint64_t epoch; /* epoch of the recording in which the thread got its index */
    uint64_t segment;
    struct spool_record *records;
    uint32_t index;
    bool is_inside;
    bool has_ended;
    unsigned char destructor_rounds;
};

extern struct recording *recording;
extern _Thread_local struct recording_thread recording_thread;

void recording_lock(void);
void recording_unlock(void);
/* Chooses the processor's counter if it runs at one rate, or else the system's clock. Called once, before the clock is
 * first read. */
void recording_choose_clock(void);
uint64_t recording_clock(void);
bool recording_clock_is_tsc(void);

#endif
