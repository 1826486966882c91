/* superslab_lists.c: puts chunks into lists, takes them out, and changes their tiers. */
#include "superslab_lists.h"

#include "settings.h"
#include "slab_runs.h"

#define EMPTY_LOOKS 16 /* about so many FREE chunks are searched for a dirty one */

struct superslab_shared superslab_shared;
struct chunk *chunk_lists[TIER_COUNT][RUN_ORDERS];

void chunk_unlist_locked(struct chunk *chunk)
{
    if (chunk->best_run == NO_RUN)
        return;
    if (chunk->previous)
        chunk->previous->next = chunk->next;
    else
        chunk_lists[chunk->tier][chunk->best_run] = chunk->next;
    if (chunk->next)
        chunk->next->previous = chunk->previous;
    chunk->next = chunk->previous = NULL;
    chunk->best_run = NO_RUN;
}

void chunk_list_locked(struct chunk *chunk)
{
    HAK_ASSERT(chunk->best_run == NO_RUN);
    unsigned order = chunk->is_purging ? NO_RUN : largest_run(chunk->free_mask);
    if (order == NO_RUN)
        return;
    struct chunk **head = &chunk_lists[chunk->tier][order];
    chunk->best_run = (uint8_t)order;
    chunk->next = *head;
    if (*head)
        (*head)->previous = chunk;
    *head = chunk;
}

void chunk_set_tier_locked(const struct actor *actor, struct chunk *chunk, enum tier tier, enum event_cause cause)
{
    if (chunk->tier == tier)
        return;
    event_append(actor, EVENT_TIER_CHANGE, cause, NO_ITEM, chunk->tier, tier);
    superslab_shared.tier_counts[chunk->tier]--;
    superslab_shared.tier_counts[tier]++;
    telemetry_set(&telemetry->tiers[chunk->tier].chunks, superslab_shared.tier_counts[chunk->tier]);
    telemetry_set(&telemetry->tiers[tier].chunks, superslab_shared.tier_counts[tier]);
    chunk->tier = (uint8_t)tier;
}

struct chunk *chunk_dirty_and_empty_locked(void)
{
    struct chunk *chunk = chunk_lists[TIER_FREE][RUN_ORDERS - 1];
    for (unsigned i = 0; chunk && !chunk->dirty_mask; i++)
        chunk = i < EMPTY_LOOKS ? chunk->next : NULL;
    return chunk;
}

void chunk_update_tier_locked(const struct actor *actor, struct chunk *chunk)
{
    unsigned busy = chunk_busy_slabs(chunk);
    if (busy == 0)
        chunk_set_tier_locked(actor, chunk, TIER_FREE, CAUSE_NONE);
    else if (chunk->tier == TIER_HOT && superslab_shared.tier_counts[TIER_HOT] > 1 &&
             busy * 100 <= (unsigned)SETTING(ss_drain_percent) * SLABS_PER_CHUNK)
        chunk_set_tier_locked(actor, chunk, TIER_DRAINING, CAUSE_NONE);
}

void superslab_add_committed(int64_t slabs)
{
    telemetry_add(&telemetry->global.committed_bytes, slabs * (int64_t)SLAB_BYTES);
}

uint32_t superslab_chunk_count_locked(void)
{
    return superslab_shared.tier_counts[TIER_HOT] + superslab_shared.tier_counts[TIER_DRAINING] + superslab_shared.tier_counts[TIER_FREE];
}
