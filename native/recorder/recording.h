/* recording.h: takes the number of a record and stores it. Used by calls.c and cxx_calls.c.
 *
 * All state of a process image lies in one mapping that the kernel empties in a forked child
 * (MADV_WIPEONFORK), and the spool's mappings are not inherited (MADV_DONTFORK): whichever way a process
 * forked, the child finds the recorder not started, and starts a spool of its own with its first call.
 * A vfork child shares its parent's memory and writes into its parent's spool.
 *
 * Nothing here allocates, and only system calls are made that are no cancellation points. The lock is held
 * while a segment is made and while the maps are read; a thread inside the recorder (a signal's handler, or
 * a destructor) records nothing. */
#ifndef HAK_RECORDING_H
#define HAK_RECORDING_H

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

/* Stores one record, if the process is recorded. */
void recording_append(enum spool_kind kind, const void *block, size_t bytes, size_t alignment,
                      const void *call_site);

/* Starts the recording of this process image; true if it is on. */
bool recording_start(void);

/* Says that the process ends as it wants to. */
void recording_end(void);

/* modules.c. Caller is inside the recorder. */
void modules_learn(uint64_t call_site);
void modules_forget(void);

/* spool_files.c: system calls that are no cancellation points; -1 and errno. */
struct spool_head *spool_files_create(struct recording *state, uint32_t *error);
bool spool_files_have_reader(void);
struct spool_record *spool_files_add_segment(struct recording *state, uint64_t number, uint32_t *error);
void spool_files_unmap(struct spool_record *records);
void spool_files_append_maps(struct recording *state, const char *text, size_t bytes);
size_t spool_files_read(const char *path, char *out, size_t capacity);

void recording_lock(void);
void recording_unlock(void);
uint64_t recording_clock(void);
bool recording_clock_is_tsc(void);
void recording_append_modules(uint32_t number, bool is_reset);

#endif
