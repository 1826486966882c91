/* override.h: macros for the files that export functions. */
#ifndef HAK_OVERRIDE_H
#define HAK_OVERRIDE_H

#define EXPORT __attribute__((visibility("default")))
#define CALL_SITE __builtin_return_address(0)

#endif
