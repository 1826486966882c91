/* big_fixture.h: for programs that test the BigCache from inside: blocks taken and given by one actor. */
#ifndef BIG_FIXTURE_H
#define BIG_FIXTURE_H

#include "big_cache.h"
#include "clock.h"
#include "component_fixture.h"

#define MIB ((size_t)1 << 20)
#define GLOBAL(field) telemetry_get(&telemetry->global.field)

static struct actor actor = {.thread_id = 1};

static inline void *take(size_t bytes, uint64_t call_site)
{
    bool is_zeroed;
    void *block = big_cache_allocate(&actor, bytes, 1, call_site, &is_zeroed);
    CHECK(block && big_block(registry_find(block)) == block);
    return block;
}

static inline void give(void *block)
{
    CHECK(big_cache_free(&actor, registry_find(block)));
}

#endif
