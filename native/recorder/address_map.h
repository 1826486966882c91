/* address_map.h: a hash table from an address to two numbers, with open addressing and linear probing. It has no
 * tombstones: entries behind a removed entry move up. */
#ifndef HAK_ADDRESS_MAP_H
#define HAK_ADDRESS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_entry {
    uint64_t address; /* 0 if the entry is free */
    uint64_t number, size;
};

struct address_map {
    struct address_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Returns the entry of an address, or NULL. The entry is valid until the next change. */
struct address_entry *address_map_find(const struct address_map *map, uint64_t address);

/* Adds an address that is not in the table. Returns NULL if there is no memory. */
struct address_entry *address_map_add(struct address_map *map, uint64_t address);

void address_map_remove(struct address_map *map, struct address_entry *entry);
void address_map_clear(struct address_map *map);

#endif
