/* big_fit.c: which cached block the BigCache gives a request, and where in its frames a block starts. */
#include "big_fixture.h"

static void purge_all(void)
{
    big_cache_purge(&actor, clock_now_ms(&actor), true);
    CHECK(GLOBAL(big_entries) == 0 && GLOBAL(big_bytes) == 0 && big_cache_is_valid());
}

/* Of blocks that fit, the one that leaves least to touch and wastes least that was touched. */
static void check_suitable(void)
{
    static const size_t sizes[] = {6 * MIB + 16384, 7 * MIB, 8 * MIB - 16384}; /* runs of 4 frames all */
    void *kept[3];
    for (uint64_t site = 1; site <= 2; site++) {
        for (int i = 0; i < 3; i++)
            kept[i] = take(sizes[i], 1);
        for (int i = 0; i < 3; i++)
            give(kept[i]);
        uint64_t committed = GLOBAL(committed_bytes);
        CHECK(take(7 * MIB - 8192, site) == kept[1]);
        CHECK(take(6 * MIB + 8192, site) == kept[0]);
        CHECK(take(6 * MIB + 8192, site) == kept[2] && GLOBAL(committed_bytes) == committed);
        give(kept[0]);
        give(kept[2]);
        CHECK(take(8 * MIB - 8192, site) == kept[2]); /* none suffices: the least to add */
        give(kept[1]);
        give(kept[2]);
        purge_all();
    }
}

/* Where a class has none, a longer run of the class above is not left for new pages. */
static void check_class_above(void)
{
    void *longer = take(3 * MIB, 1);
    give(longer);
    void *shorter = take(MIB + MIB / 2, 1);
    CHECK(shorter == longer && registry_find(shorter)->frames == 2);
    void *next = take(MIB + MIB / 2, 1);
    give(shorter);
    give(next);
    CHECK(take(MIB + MIB / 2, 1) == next); /* its own class first */
    give(next);
    longer = take(5 * MIB, 1);
    give(longer);
    next = take(MIB + MIB / 2, 1);
    CHECK(next != longer); /* never more than twice as long */
    give(next);
    purge_all();
}

/* Blocks start on different lines of their page, as far as that needs no other frame. */
static void check_colors(void)
{
    uint64_t lines = 0;
    void *kept[64];
    for (int i = 0; i < 64; i++) {
        kept[i] = take(MIB + MIB / 2, 1);
        CHECK((uintptr_t)kept[i] % CACHE_LINE == 0 && registry_find(kept[i])->frames == 1);
        lines |= UINT64_C(1) << ((uintptr_t)kept[i] / CACHE_LINE % 64);
    }
    CHECK(__builtin_popcountll(lines) >= 32);
    for (int i = 0; i < 64; i++)
        give(kept[i]);
    purge_all();
    void *whole = take(2 * MIB, 1);
    CHECK((uintptr_t)whole % CHUNK_BYTES == 0 && registry_find(whole)->frames == 1);
    give(whole);
    purge_all();
}

int main(void)
{
    start_on_operations();
    set_tunable(TUNABLE_ss_purge_delay_ms, -1); /* what is freed is kept */
    check_suitable();
    check_class_above();
    check_colors();
    puts("big_fit: ok");
    return 0;
}
