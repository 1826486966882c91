/* recording_state.h: what the recorder knows of its process and of a thread, its clock and its lock.
 *
 * All state of a process image lies in one mapping that the kernel empties in a forked child
 * (MADV_WIPEONFORK), and the spool's mappings are not inherited (MADV_DONTFORK): whichever way a process
 * forked, the child finds the recorder not started, and starts a spool of its own with its first call.
 * A vfork child shares its parent's memory and writes into its parent's spool. */
#ifndef HAK_RECORDING_STATE_H
#define HAK_RECORDING_STATE_H

#include "spool.h"

#include <stdbool.h>
#include <stddef.h>

#define RECORDING_SITE_SLOTS 32768u /* sites whose module is known; direct-mapped */
#define RECORDING_SEGMENTS 16384u   /* segments not yet read at most: 16 GiB of spool */
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
    char stem[512]; /* path of the spool's files up to the suffix */
    size_t stem_length;
    uint64_t oldest_segment; /* under the lock, like all that follows but the site slots */
    struct {
        uint64_t number; /* plus one; 0 is none */
        struct spool_record *records;
    } segments[RECORDING_SEGMENTS];
    uint32_t range_count, map_copies;
    struct address_range ranges[RECORDING_RANGES]; /* executable memory that the last copy of the maps shows */
    _Atomic uint64_t known_sites[RECORDING_SITE_SLOTS];
};

struct recording_thread {
    uint64_t epoch; /* of the recording that gave the index */
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
/* Once, before the clock is read first: the processor's counter, if it runs at one rate, else the system's clock. */
void recording_choose_clock(void);
uint64_t recording_clock(void);
bool recording_clock_is_tsc(void);

#endif
