/* allocator_identity.h: which malloc this process got: the library that defines it, and its version as known
 * allocators tell it. */
#ifndef HAK_ALLOCATOR_IDENTITY_H
#define HAK_ALLOCATOR_IDENTITY_H

#include <stddef.h>

struct allocator_identity {
    const char *library; /* path as the loader has it; "" if that is not known */
    char version[96];    /* "" for one that has no such function */
};

void allocator_identify(struct allocator_identity *identity);

#endif
