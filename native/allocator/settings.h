/* settings.h: the tunables as the allocator acts on them, generated from tunables.def, and where they
 * come from: built-in defaults, then the environment (once, at start), then the control block (live).
 *
 *   defaults -> environment -> requested [generation 6 | generation 7] --copy, recheck, clamp--> settings
 *   (table)     (once)          two slots of the control block                                   one word each
 *
 * Invariant (settings_is_valid): each word lies in its tunable's range, and every constraint holds.
 *
 * `settings` is process-wide. Only control_adopt writes it, under settings_lock. Components that run under their own
 * lock read single fields of it relaxed (each field is one word, and always in range).
 * A thread's cache computes its limits from it when it adopts a generation. */
#ifndef HAK_SETTINGS_H
#define HAK_SETTINGS_H

#include "base.h"
#include "choices.h"

#define TLS_MOST_SLOTS 4096 /* a bin has room for so many, so that tls.max_slots can be changed at any time */

enum tunable {
#define HAK_TUNABLE(field, ...) TUNABLE_##field,
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
    TUNABLE_COUNT
};

/* Each field holds the value of one tunable. Integers, booleans and choices are int64_t; reals (big.load_factor) are in
 * units of 1/1024, so that one relaxed word holds any value. */
#define REAL_UNIT 1024
struct settings {
#define HAK_TUNABLE(field, ...) _Atomic int64_t field;
#define HAK_CONSTRAINT(...)
#include "tunables.def"
#undef HAK_TUNABLE
#undef HAK_CONSTRAINT
};
extern struct settings settings;

#define SETTING(field) atomic_load_explicit(&settings.field, memory_order_relaxed)

/* Fills `values` (one double for each tunable) with the defaults, and then with the values in the environment, unless the
 * program is privileged (setuid). A variable that is not a number or out of range is named on standard error and ignored.
 * Sets *access (enum hak_access) from HAKMEM_CONTROL. */
void settings_initial(double *values, int *access);
/* The default of this build: the table's, or that of an exported header it was compiled with. */
double settings_default(enum tunable tunable);
/* Makes `values` current, each clamped to its range. If a constraint does not hold, its two tunables stay as they were.
 * START tunables change only if `at_start`. */
void settings_store(const double *values, bool at_start);
/* Reads the current values as doubles. */
void settings_load(double *values);
/* Only meaningful while no thread stores. */
bool settings_is_valid(void);

#endif
