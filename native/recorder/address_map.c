/* address_map.c: the hash table of address_map.h. */
#include "address_map.h"

#include <stdlib.h>

#define FIRST_CAPACITY 1024

static size_t home_of(const struct address_map *map, uint64_t address)
{
    /* Fibonacci hashing. The low four bits are left out, because blocks are at least 16 bytes apart. */
    return (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (map->capacity - 1);
}

struct address_entry *address_map_find(const struct address_map *map, uint64_t address)
{
    if (!map->capacity)
        return NULL;
    for (size_t at = home_of(map, address);; at = (at + 1) & (map->capacity - 1)) {
        if (map->entries[at].address == address)
            return &map->entries[at];
        if (!map->entries[at].address)
            return NULL;
    }
}

static struct address_entry *place(struct address_map *map, uint64_t address)
{
    size_t at = home_of(map, address);
    while (map->entries[at].address)
        at = (at + 1) & (map->capacity - 1);
    return &map->entries[at];
}

static bool grow(struct address_map *map)
{
    struct address_map bigger = {.capacity = map->capacity ? 2 * map->capacity : FIRST_CAPACITY, .count = map->count};
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].address)
            *place(&bigger, map->entries[i].address) = map->entries[i];
    free(map->entries);
    *map = bigger;
    return true;
}

struct address_entry *address_map_add(struct address_map *map, uint64_t address)
{
    if (map->count >= map->capacity - map->capacity / 3 && !grow(map))
        return NULL;
    struct address_entry *entry = place(map, address);
    entry->address = address;
    map->count++;
    return entry;
}

void address_map_remove(struct address_map *map, struct address_entry *entry)
{
    size_t mask = map->capacity - 1, hole = (size_t)(entry - map->entries);
    for (size_t at = (hole + 1) & mask; map->entries[at].address; at = (at + 1) & mask) {
        /* An entry may move to the hole unless its home lies behind the hole. */
        size_t home = home_of(map, map->entries[at].address);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].address = 0;
    map->count--;
}

void address_map_clear(struct address_map *map)
{
    free(map->entries);
    *map = (struct address_map){0};
}
