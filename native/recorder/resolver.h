/* resolver.h: turns a spool's records, in their order, into a trace's events: addresses become objects,
 * return addresses become numbers of call sites, clock readings become time. The reader of a spool uses it, one
 * thread at a time. */
#ifndef HAK_RESOLVER_H
#define HAK_RESOLVER_H

#include <stdint.h>

struct hak_spool_state {
    uint32_t pid, parent_pid, clock_is_tsc, threads, stopped, ended, command_bytes;
    uint64_t next, start_realtime_ns;
    char program[256], command[3072];
};

/* The columns of events in the trace format. All have the same capacity. */
struct hak_event_columns {
    uint8_t *kind;
    uint32_t *thread;
    uint64_t *object_id, *size_bytes, *alignment_bytes;
    uint32_t *site;
    int64_t *time_ns;
};

/* New call sites in the order of their numbers, each with the number of copies of the maps at that time. */
struct hak_new_sites {
    uint64_t *address;
    uint32_t *map_copies;
    uint32_t capacity, count;
};

struct hak_resolver_totals {
    uint64_t objects, live_bytes, peak_live_bytes, unknown_frees, missed_frees, lost_records;
};

struct hak_resolver;

/* Maps a spool's file of at least so many bytes. Returns NULL and sets errno on failure, to EBADMSG if the file is
 * shorter. No descriptor stays open, because a program may have more children than its reader may have descriptors. */
void *hak_spool_map(const char *path, uint64_t bytes, int is_writable);
void hak_spool_unmap(void *mapped, uint64_t bytes);

/* `head` is the mapped ID.head. Returns NULL if it is not a head, or if there is no memory. */
struct hak_resolver *hak_resolver_new(void *head);
void hak_resolver_free(struct hak_resolver *resolver);

void hak_resolver_state(const struct hak_resolver *resolver, struct hak_spool_state *out);
void hak_resolver_totals(const struct hak_resolver *resolver, struct hak_resolver_totals *out);
void hak_resolver_set_consumed(struct hak_resolver *resolver, uint64_t records);
void hak_resolver_stop(struct hak_resolver *resolver);

/* Counts records that are in no segment as lost. */
void hak_resolver_lose(struct hak_resolver *resolver, uint64_t records);

uint32_t hak_spool_segment_records(void);

/* Resolves at most `count` records of a mapped segment, from `first` on. It stops before the first record that is not
 * complete, but if `is_final` it counts such records as lost and goes on. The columns have room for 2 * count events.
 * Returns the number of events, or -1 if there is no memory. *taken is the number of resolved records. */
int64_t hak_resolver_run(struct hak_resolver *resolver, const void *segment, uint32_t first, uint32_t count,
                         int is_final, struct hak_event_columns *columns, struct hak_new_sites *sites,
                         uint32_t *taken);

#endif
