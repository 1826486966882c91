/* replay_table.h: the live objects of a trace while it is compiled: object number to slot. Open
 * addressing with linear probing, at most half full; a removal moves what follows back, so that no
 * tombstones gather in a trace of billions of short lives. */
#ifndef HAK_REPLAY_TABLE_H
#define HAK_REPLAY_TABLE_H

#include "workload.h"

struct replay_table_entry {
    uint64_t key; /* object number + 1; 0: empty */
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

/* Four consecutive numbers share a cache line, as objects that are born together are looked for together;
 * the fours are scattered. Numbers in a row would make one long run of taken entries of them all, and taking
 * one out looks through the run it is in. */
static inline uint64_t replay_table_home(const struct replay_table *table, uint64_t key)
{
    uint64_t scattered = (key >> 2) * UINT64_C(0x9e3779b97f4a7c15);
    return ((scattered ^ scattered >> 32) << 2 | (key & 3)) & table->mask;
}

/* Where `object` is, or where it would be put: then its key is 0. */
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

/* False: out of memory. `object` must not be there yet. */
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
        /* It may move back only if its home is not between the hole and itself. */
        if (((at - replay_table_home(table, key)) & table->mask) >= ((at - hole) & table->mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].key = 0;
    table->count--;
}

#endif
