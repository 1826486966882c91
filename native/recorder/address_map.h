/* address_map.h: a hash table from an address to two numbers. Open addressing, linear probing, no
 * tombstones: what stands behind a removed entry moves up. */
#ifndef HAK_ADDRESS_MAP_H
#define HAK_ADDRESS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_entry {
    uint64_t address; /* 0: free */
    uint64_t number, size;
};

struct address_map {
    struct address_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* The entry of an address, or NULL; valid until the next change. */
struct address_entry *address_map_find(const struct address_map *map, uint64_t address);

/* Adds an address that is not there; NULL without memory. */
struct address_entry *address_map_add(struct address_map *map, uint64_t address);

void address_map_remove(struct address_map *map, struct address_entry *entry);
void address_map_clear(struct address_map *map);

#endif
