/* cache_rules.h: the size classes of an allocator, and when the caches of its threads are refilled and flushed. */
#ifndef HAK_CACHE_RULES_H
#define HAK_CACHE_RULES_H

#include "ghost_rules.h"

#define CACHED_MOST_BYTES 32768u /* no allocator's thread caches hold larger blocks by default */
#define CAPACITY_COUNT (GHOST_COUNT + 1) /* 16, 32 ... 4096 slots, and what the allocator begins with */
#define MOST_CLASSES 64

/* What all threads together did with one class. */
struct cache_tally {
    uint64_t allocations, frees;
    uint64_t refills[CAPACITY_COUNT], flushes[CAPACITY_COUNT];
    int64_t held[CAPACITY_COUNT];       /* blocks in caches now */
    uint64_t held_events[CAPACITY_COUNT]; /* the same, summed over the events before `counted` */
    uint64_t counted;
    /* Blocks given back and not taken again, where refills depend on it: of glibc, of hakmem. */
    uint64_t returned[CAPACITY_COUNT];
    struct ghost_source sources[GHOST_COUNT];
};

/* A thread's cache of one class, once for each capacity. */
struct model_bin {
    bool is_open;
    union {
        struct {
            uint32_t position;
            struct ghost_bin ghosts;
        };
        struct {
            uint32_t fill[CAPACITY_COUNT], low[CAPACITY_COUNT];
            uint8_t divisions[CAPACITY_COUNT], is_refilled[CAPACITY_COUNT];
        };
    };
};

struct cache_rules {
    const char *name;
    uint32_t class_count;
    /* Bytes of the class's blocks, and the largest request that it serves. */
    uint32_t (*block_bytes)(unsigned class_index);
    uint32_t (*most_bytes)(unsigned class_index);
    /* Slots that a cache of the class has in the end, at one of CAPACITY_COUNT settings; 0: it cannot have so many. The
     * first is what it begins with if nothing is set; 0 if that is one of the others. */
    uint32_t (*capacity)(unsigned class_index, unsigned setting);
    uint32_t (*initial)(unsigned class_index);
    void (*take)(struct cache_tally *tally, struct model_bin *bin, unsigned class_index);
    void (*give)(struct cache_tally *tally, struct model_bin *bin, unsigned class_index);
    uint32_t (*fill)(const struct model_bin *bin, unsigned setting);
    /* Each of so many bytes allocated, or freed, a thread looks after its next class; 0: never. */
    uint32_t bytes_per_look;
    void (*look)(struct cache_tally *tally, struct model_bin *bin, unsigned class_index);
};

#define CACHE_RULES_COUNT 3
extern const struct cache_rules cache_rules[CACHE_RULES_COUNT];

#endif
