/* probe.h: what the probes of tunables share. Every row of tunables.def needs a probe_<field>: without one
 * the program does not link. A probe runs in a process of its own, with clock.mode = operations, sets its
 * tunable through the control block as any user would, and CHECKs what it changes. */
#ifndef PROBE_H
#define PROBE_H

#include "../native/component_fixture.h"

#include "fast_path.h"
#include "hak_reader.h"
#include "hakmem.h"
#include "tls_cache.h"

#include <pthread.h>

#define MIB ((size_t)1 << 20)
#define GLOBAL(field) telemetry_get(&telemetry->global.field)
#define PROBE(field) void probe_##field(void)

extern struct hak_reader reader;
/* Made known to the pools' own interfaces, for probes of one component. */
extern struct actor probe_actor;

/* Through the control block; then allocates until the thread has adopted it and the pools know. */
void set(enum tunable tunable, double value);
/* As `set` would, but it must be refused: fixed at start. */
void check_is_fixed(enum tunable tunable, double value);
/* `ms` of operations, on a class that no probe looks at. */
void pass_ms(unsigned ms);
/* `rounds` times `count` blocks, then all freed. */
void burst(size_t bytes, unsigned count, unsigned rounds);
/* Runs `work` in a thread of its own and waits for it. */
void in_new_thread(void (*work)(void));
static inline struct bin *bin_of(unsigned class_index)
{
    return &tls_cache->bins[class_index];
}

enum { MOST_BLOCKS = 24000 };
extern void *blocks[MOST_BLOCKS];

#define HAK_TUNABLE(field, ...) PROBE(field);
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT

#endif
