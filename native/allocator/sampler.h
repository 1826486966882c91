/* sampler.h: decides which allocations of a thread are sampled, and gives the small ones blocks that their free knows.
 *
 * With sample.interval_bytes, each byte of a block is hit with the same small chance, and an allocation is sampled if one
 * of its bytes is. From one hit to the next there are as many bytes of blocks as an exponential distribution
 * gives. So what comes next does not depend on the past, each bin may count for itself, and whenever the interval
 * changes the distance may be drawn anew.
 *
 *   bin   ... allocations | sample_at: the allocation that is sampled | ...
 *             the countdown ends there at the latest, so that this very allocation takes the slow path
 *
 * A sampled block of a size class comes from slabs of a heap that no thread has (central_sampled_heap). They are in no
 * table of the fast paths, so each call for such a block takes the slow path. Blocks above 32 KiB take it anyway; a mark in
 * the descriptor tells that they are sampled. */
#ifndef HAK_SAMPLER_H
#define HAK_SAMPLER_H

#include "bin.h"

/* For tests: other threads draw other numbers. Set before a thread's first allocation. */
extern uint64_t sampler_seed;

/* Begins, ends or changes the sampling of a thread, as sample.interval_bytes says. */
void sampler_switch(struct tls_cache *cache, bool is_new);

/* Called for the allocation whose number is sample_at. Returns a block of the class that is noted as a sample. Returns NULL
 * if sampling is off, or if there is no room for a sample: then the allocation goes on as any other. */
void *sampler_allocate(struct tls_cache *cache, struct bin *bin, size_t requested_bytes);

/* Counts a block above 32 KiB, which the thread has allocated. Returns whether it is noted as a sample. */
bool sampler_note_large(struct tls_cache *cache, const void *block, size_t requested_bytes, size_t block_bytes);

#endif
