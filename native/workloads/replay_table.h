/* replay_table.h: the slots of a trace's live objects, by object number, while the trace is compiled. It is a hash table
 * with open addressing and linear probing, at most half full. A removal moves the entries behind it back, so that no
 * tombstones gather in a trace with billions of short-lived objects. */
#ifndef HAK_REPLAY_TABLE_H
#define HAK_REPLAY_TABLE_H

#include "workload.h"

struct replay_table_entry {
    uint64_t key; /* object number + 1, or 0 if the entry is empty */
    uint32_t slot;
};

struct replay_table {
    struct replay_table_entry *entries;
    uint64_t mask, count;
};

static inline bool replay_table_init(struct replay_table *table)
{
    table->mask = 4095;
    table->count = 0;
    table->entries = calloc(table->mask + 1, sizeof *table->entries);
    return table->entries != NULL;
}

/* Four consecutive numbers share a cache line, because objects that are allocated together are looked up together. The
 * groups of four are scattered: consecutive groups would make one long run of taken entries, and a removal looks through
 * the whole run. */
static inline uint64_t replay_table_home(const struct replay_table *table, uint64_t key)
{
    uint64_t scattered = (key >> 2) * UINT64_C(0x9e3779b97f4a7c15);
    return ((scattered ^ scattered >> 32) << 2 | (key & 3)) & table->mask;
}

/* Returns the entry of `object`, or the empty entry, with key 0, where it would be put. */
static inline struct replay_table_entry *replay_table_find(const struct replay_table *table, uint64_t object)
{
    uint64_t at = replay_table_home(table, object + 1);
    while (table->entries[at].key != object + 1 && table->entries[at].key != 0)
        at = (at + 1) & table->mask;
    return &table->entries[at];
}

static inline bool replay_table_grow(struct replay_table *table)
{
    struct replay_table larger = {.mask = table->mask * 2 + 1, .count = table->count};
    larger.entries = calloc(larger.mask + 1, sizeof *larger.entries);
    if (larger.entries == NULL)
        return false;
    for (uint64_t i = 0; i <= table->mask; i++)
        if (table->entries[i].key != 0)
            *replay_table_find(&larger, table->entries[i].key - 1) = table->entries[i];
    free(table->entries);
    *table = larger;
    return true;
}

/* Adds `object`, which must not be in the table. Returns false if there is no memory. */
static inline bool replay_table_add(struct replay_table *table, uint64_t object, uint32_t slot)
{
    if (table->count * 2 > table->mask && !replay_table_grow(table))
        return false;
    *replay_table_find(table, object) = (struct replay_table_entry){.key = object + 1, .slot = slot};
    table->count++;
    return true;
}

static inline void replay_table_remove(struct replay_table *table, struct replay_table_entry *entry)
{
    uint64_t hole = (uint64_t)(entry - table->entries), at = hole;
    for (;;) {
        at = (at + 1) & table->mask;
        uint64_t key = table->entries[at].key;
        if (key == 0)
            break;
        /* The entry may move back to the hole unless its home lies behind the hole. */
        if (((at - replay_table_home(table, key)) & table->mask) >= ((at - hole) & table->mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].key = 0;
    table->count--;
}

#endif
