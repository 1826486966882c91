/* statistics.c: adds up the telemetry. */
#include "statistics.h"

#include "control.h"
#include "heap.h"
#include "lifecycle.h"
#include "telemetry.h"

struct heap_statistics heap_statistics(void)
{
    struct heap_statistics sum = {0};
    if (!lifecycle_is_started())
        return sum;
    heap_look_at_process();
    if (tls_cache->is_real)
        tls_cache_publish(tls_cache);
    const struct telemetry_global *global = &telemetry->global;
    for (unsigned row = 0; row < control_thread_rows(); row++) {
        if (telemetry_get(&telemetry->threads[row].thread_id))
            sum.threads++;
        sum.cached_bytes += telemetry_get(&telemetry->threads[row].cached_bytes);
    }
    for (unsigned shard = 0; shard < control_shard_rows(); shard++)
        sum.l25_free_bytes += telemetry_get(&telemetry->shards[shard].free_bytes);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        sum.chunks += telemetry_get(&telemetry->tiers[tier].chunks);
    size_t handed_out_bytes = telemetry_get(&global->handed_out_bytes);
    sum.live_bytes = handed_out_bytes > sum.cached_bytes ? handed_out_bytes - sum.cached_bytes : 0;
    sum.committed_bytes = telemetry_get(&global->committed_bytes);
    sum.purged_bytes = telemetry_get(&global->purged_bytes);
    sum.big_blocks = telemetry_get(&global->big_live);
    sum.big_bytes = telemetry_get(&global->big_live_bytes);
    sum.big_cached_bytes = telemetry_get(&global->big_bytes);
    sum.busy_slabs = telemetry_get(&global->busy_slabs);
    return sum;
}
