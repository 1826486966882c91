/* allocator_identity.h: tells which malloc this process has: the library that defines it, and its version if the
 * allocator is known. */
#ifndef HAK_ALLOCATOR_IDENTITY_H
#define HAK_ALLOCATOR_IDENTITY_H

#include <stddef.h>

struct allocator_identity {
    const char *library; /* path in the loader's list, or "" if it is not known */
    char version[96];    /* "" if the allocator does not tell it */
};

void allocator_identify(struct allocator_identity *identity);

#endif
