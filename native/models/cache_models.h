/* cache_models.h: what the caches of threads would do for the events of a trace: for each allocator whose rules are known
 * (cache_rules.c), each of its size classes and each of several capacities, how often a cache is refilled and flushed,
 * and how many blocks all caches hold.
 *
 * Blocks of a class are all alike, so this depends only on which thread allocates and frees what. Not modelled is
 * what depends on addresses or on time: a realloc moves its block if the class changes, and a cache that decides by the
 * clock does not. A thread that ends flushes each of its caches that holds blocks. The models need 16 bytes for each live
 * object and a bin for each class that a live thread uses. */
#ifndef HAK_CACHE_MODELS_H
#define HAK_CACHE_MODELS_H

#include "replay_compile.h"

/* What one capacity comes to in one size class. */
struct cache_model_row {
    uint32_t block_bytes;
    uint32_t capacity;
    uint32_t is_initial;  /* what a thread's cache begins with if nothing is set */
    uint64_t allocations, frees; /* of the class, by all threads */
    uint64_t refills, flushes;
    double held_blocks; /* in all caches together, on average over the events */
};

struct cache_models;

/* Returns NULL if there is no memory. */
struct cache_models *cache_models_new(void);
void cache_models_free(struct cache_models *models);
/* Returns 0, or -1 if there is no memory; then only cache_models_free may be called. */
int cache_models_add(struct cache_models *models, const struct replay_events *events);

/* The allocator's name, or NULL if there are fewer. */
const char *cache_model_name(uint32_t index);
/* Copies the row of an allocator; returns 0 if there are fewer rows. */
int cache_models_read(const struct cache_models *models, uint32_t index, uint32_t row, struct cache_model_row *out);

#endif
