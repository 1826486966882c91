/* settings.h: the tunables as the allocator acts on them, generated from tunables.def, and where they
 * come from: built-in defaults, then the environment (once, at start), then the control block (live).
 *
 *   defaults -> environment -> requested [generation 6 | generation 7] --copy, recheck, clamp--> settings
 *   (table)     (once)          two slots of the control block                                   one word each
 *
 * Invariant (settings_is_valid): each word lies in its tunable's range, and every constraint holds.
 *
 * `settings` is process-wide and written only under settings_lock by settings_adopt; components that
 * run under their own lock read single fields of it relaxed (each field is one word, always in range).
 * A thread's cache derives its own limits from it when it adopts a generation. */
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

/* Every field is the tunable's number; integers, booleans and choices as int64_t, reals in 1/1024ths
 * (big.load_factor), so that one relaxed word holds any of them. */
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

/* Fills `values` (one double a tunable) with the defaults, then what the environment says, unless the program
 * is privileged (setuid); a variable
 * that is not a number or out of range is named on standard error and ignored. Sets *access
 * (enum hak_access) from HAKMEM_CONTROL. */
void settings_initial(double *values, int *access);
/* The default of this build: the table's, or that of an exported header it was compiled with. */
double settings_default(enum tunable tunable);
/* Makes `values` current; each is clamped to its range. Constraints that do not hold are mended by
 * leaving the involved tunables as they were. START tunables change only while `at_start`. */
void settings_store(const double *values, bool at_start);
/* What is current, as doubles. */
void settings_load(double *values);
/* Only meaningful while nobody stores. */
bool settings_is_valid(void);

#endif
