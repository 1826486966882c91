/* override.h: macros for the files that export functions. */
#ifndef HAK_OVERRIDE_H
#define HAK_OVERRIDE_H

#define EXPORT __attribute__((visibility("default")))
#define CALL_SITE __builtin_return_address(0)
/* The fast paths of malloc, free, new and delete each fit one cache line of code if they begin on a line. A second line would
 * cost a few per cent. */
#define ON_A_LINE __attribute__((aligned(CACHE_LINE)))

#endif
