/* big_ghosts.c: moves the copies of the BigCache while a program runs. */
#include "big_ghosts.h"

#include "altered.h"
#include "big_copies.h"
#include "clock.h"
#include "control.h"
#include "os.h"

#define KIB 1024

static struct lock ghosts_lock;
/* Mapped when ghosts are first on, and kept. Stored (release) once; what it points to is written under the lock. */
static struct big_copies *_Atomic copies;

/* Returns NULL if there is no memory for them; the next call tries again. */
static struct big_copies *open_copies(void)
{
    struct big_copies *opened = atomic_load_explicit(&copies, memory_order_acquire), *former = NULL;
    if (!control_show_ghosts())
        return NULL;
    if (opened || (opened = os_map(sizeof *opened)) == NULL)
        return opened;
    if (atomic_compare_exchange_strong_explicit(&copies, &former, opened, memory_order_acq_rel, memory_order_acquire))
        return opened;
    os_unmap_metadata(opened, sizeof *opened);
    return former;
}

void big_ghosts_take_now(const struct actor *actor, const struct big_request *request, struct chunk *chunk)
{
    struct big_copies *mine = open_copies();
    if (!mine)
        return;
    uint32_t now_ms = clock_now_ms(actor);
    lock_acquire(&ghosts_lock);
    _Atomic uint64_t *lookups = &telemetry->big_copies.of_size[0].lookups;
    uint64_t before = telemetry_get(lookups);
    big_copies_take(mine, &telemetry->big_copies, request, now_ms, chunk->copied);
    uint64_t seen = telemetry_get(lookups) - before;
    lock_release(&ghosts_lock);
    telemetry_add(&telemetry->global.ghost_big_kept_kib, (int64_t)(seen * (stripes_bytes() / KIB)));
}

void big_ghosts_give_now(const struct chunk *chunk, uint32_t now_ms)
{
    struct big_copies *mine = open_copies();
    if (!mine || chunk_is_altered(chunk))
        return;
    const struct big_copy_block block = {.call_site = chunk->call_site,
                                         .bytes = chunk->requested_bytes,
                                         .frames = big_frames(chunk->requested_bytes),
                                         .log_alignment = (uint8_t)__builtin_ctzll((uintptr_t)chunk->base)};
    lock_acquire(&ghosts_lock);
    big_copies_give(mine, &block, chunk->copied, now_ms, (int)SETTING(big_policy));
    lock_release(&ghosts_lock);
}

void big_ghosts_settings_changed(void)
{
    struct big_copies *mine = atomic_load_explicit(&copies, memory_order_acquire);
    if (!mine || SETTING(ghost_enable))
        return;
    lock_acquire(&ghosts_lock);
    big_copies_forget(mine);
    lock_release(&ghosts_lock);
}

/* ---- checks and fork -------------------------------------------------------------------------------------------- */

bool big_ghosts_is_valid(void)
{
    struct big_copies *mine = atomic_load_explicit(&copies, memory_order_acquire);
    if (!mine)
        return true;
    lock_acquire(&ghosts_lock);
    bool valid = big_copies_are_valid(mine);
    lock_release(&ghosts_lock);
    return valid;
}

void big_ghosts_acquire_lock(void)
{
    lock_acquire(&ghosts_lock);
}

void big_ghosts_release_lock(void)
{
    lock_release(&ghosts_lock);
}

void big_ghosts_reset_lock(void)
{
    lock_reset(&ghosts_lock);
}
