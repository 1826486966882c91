/* big_ghosts.h: the copies of the BigCache (big_copies.h) of a process that runs. Each block that is taken or given back moves
 * them while ghost.enable is on; what they count is the metrics ghost.big_*. They lie under a lock of their own, under
 * which no other is taken. Off, a call of the BigCache costs one load and one branch more. */
#ifndef HAK_BIG_GHOSTS_H
#define HAK_BIG_GHOSTS_H

#include "big_stripe.h"
#include "settings.h"

void big_ghosts_take_now(const struct actor *actor, const struct big_request *request, struct chunk *chunk);
void big_ghosts_give_now(const struct chunk *chunk, uint32_t now_ms);

/* A block is wanted, and gets this chunk. */
static inline void big_ghosts_take(const struct actor *actor, const struct big_request *request, struct chunk *chunk)
{
    if (UNLIKELY(SETTING(ghost_enable) != 0))
        big_ghosts_take_now(actor, request, chunk);
}

/* A block is given back, and no other thread knows of it. */
static inline void big_ghosts_give(const struct chunk *chunk, uint32_t now_ms)
{
    if (UNLIKELY(SETTING(ghost_enable) != 0))
        big_ghosts_give_now(chunk, now_ms);
}

/* Forgets what lies free if ghosts are off, because nobody tells the copies when it is taken. */
void big_ghosts_settings_changed(void);

bool big_ghosts_is_valid(void);
void big_ghosts_acquire_lock(void);
void big_ghosts_release_lock(void);
void big_ghosts_reset_lock(void);

#endif
