/* big_model.h: what hakmem's BigCache would hit for the events of a trace, at each size and delay of big_ladder.def, by the
 * rules of big_copies.h. The clock is the trace's.
 *
 * A trace's call sites are left out: a block serves any request of its class, as it does in the BigCache if its own call site
 * has none. So are the addresses: every block has the middle one of the colors (big_cache.h). The model needs 150 KiB, and
 * some 100 bytes for each large object that lives. */
#ifndef HAK_BIG_MODEL_H
#define HAK_BIG_MODEL_H

#include "replay_compile.h"

/* What one size and delay come to. */
struct big_model_row {
    uint64_t max_bytes;
    int64_t delay_ms; /* -1: for ever */
    uint64_t lookups, hits;
    double held_kib; /* if blocks are kept for ever, on average over the lookups */
};

struct big_model;

/* Returns NULL if there is no memory. */
struct big_model *big_model_new(void);
void big_model_free(struct big_model *model);
/* Returns 0, or -1 if there is no memory; then only big_model_free may be called. */
int big_model_add(struct big_model *model, const struct replay_events *events);
/* Copies a row; returns 0 if there are fewer. */
int big_model_read(const struct big_model *model, uint32_t row, struct big_model_row *out);
/* What hakmem calls the cache. */
const char *big_model_name(void);
/* The name of the tunable that sets the size (0) or the delay (1), and its value in this process. */
const char *big_model_setting(uint32_t index, double *value);

#endif
