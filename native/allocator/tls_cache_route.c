/* tls_cache_route.c: sets what the fast paths read when settings are adopted. */
#include "bin_marks.h"
#include "integrity.h"
#include "settings.h"
#include "tls_cache.h"

#include <string.h>

/* Sets what the fast paths read. At check.level 3 they find no class and no range, so that heap.c serves every call. */
static void set_fast_paths(struct tls_cache *cache)
{
    bool is_off = cache->check_level >= 3;
    if (is_off) {
        memset(cache->tiny_table, 0, sizeof cache->tiny_table); /* NO_CLASS_KEY */
        memset(cache->aligned_table, 0, sizeof cache->aligned_table);
    } else {
        memcpy(cache->tiny_table, tiny_class_tables[cache->route_profile], sizeof cache->tiny_table);
        memcpy(cache->aligned_table, tiny_class_tables[PROFILE_CONSERVATIVE], sizeof cache->aligned_table);
    }
    cache->range_limit = is_off ? 0 : range_bytes() / 8;
    cache->mid_max_bytes = is_off ? 0 : MID_MAX_BYTES;
}

void tls_cache_adopt_route(struct tls_cache *cache)
{
    uint8_t former_level = cache->check_level;
    cache->route_profile = (uint8_t)SETTING(route_profile);
    cache->check_level = (uint8_t)SETTING(check_level);
    set_fast_paths(cache);
    for (unsigned i = 0; former_level >= 3 && cache->check_level < 3 && i < BIN_COUNT + OUTBOX_COUNT; i++)
        integrity_forget(cache->bins[i].base, (unsigned)fill_of(&cache->bins[i]));
}
