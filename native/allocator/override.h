/* override.h: what the files of exported symbols share. */
#ifndef HAK_OVERRIDE_H
#define HAK_OVERRIDE_H

#define EXPORT __attribute__((visibility("default")))
#define CALL_SITE __builtin_return_address(0)

#endif
