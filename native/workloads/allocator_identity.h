/* allocator_identity.h: which malloc this process got, told by the symbols it brought along. */
#ifndef HAK_ALLOCATOR_IDENTITY_H
#define HAK_ALLOCATOR_IDENTITY_H

#include <stddef.h>

struct allocator_identity {
    const char *name; /* hakmem, jemalloc, tcmalloc, mimalloc or glibc */
    char version[96];
};

void allocator_identify(struct allocator_identity *identity);

#endif
