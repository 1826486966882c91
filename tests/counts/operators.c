/* operators.c: C++'s operators new and delete by their mangled names, each form with its pair, and what they stand for.
 * usage: operators OPERATIONS   (of each form; an operation allocates a block and frees it) */
#include <stddef.h>
#include <stdlib.h>

typedef const void *nothrow_t; /* a reference to std::nothrow; its content is not read */

void *_Znwm(size_t), *_Znam(size_t), *_ZnwmRKSt9nothrow_t(size_t, nothrow_t), *_ZnamRKSt9nothrow_t(size_t, nothrow_t);
void *_ZnwmSt11align_val_t(size_t, size_t), *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t, size_t, nothrow_t);
void *_ZnamSt11align_val_t(size_t, size_t), *_ZnamSt11align_val_tRKSt9nothrow_t(size_t, size_t, nothrow_t);
void _ZdlPv(void *), _ZdlPvm(void *, size_t), _ZdlPvRKSt9nothrow_t(void *, nothrow_t);
void _ZdaPv(void *), _ZdaPvm(void *, size_t), _ZdaPvRKSt9nothrow_t(void *, nothrow_t);
void _ZdlPvSt11align_val_t(void *, size_t), _ZdlPvmSt11align_val_t(void *, size_t, size_t);
void _ZdaPvSt11align_val_t(void *, size_t), _ZdaPvmSt11align_val_t(void *, size_t, size_t);
void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *, size_t, nothrow_t);
void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *, size_t, nothrow_t);

#define PAIRS(allocate, release)                     \
    for (long i = 0; i < operations; i++) {          \
        void *volatile block = allocate;             \
        release;                                     \
    }

int main(int count, char **words)
{
    enum { BYTES = 100, ALIGNMENT = 64 };
    static const char none;
    long operations = count == 2 ? atol(words[1]) : 0;
    PAIRS(malloc(BYTES), free(block))
    PAIRS(_Znwm(BYTES), _ZdlPv(block))
    PAIRS(_Znwm(BYTES), _ZdlPvm(block, BYTES))
    PAIRS(_ZnwmRKSt9nothrow_t(BYTES, &none), _ZdlPvRKSt9nothrow_t(block, &none))
    PAIRS(_Znam(BYTES), _ZdaPv(block))
    PAIRS(_Znam(BYTES), _ZdaPvm(block, BYTES))
    PAIRS(_ZnamRKSt9nothrow_t(BYTES, &none), _ZdaPvRKSt9nothrow_t(block, &none))
    PAIRS(aligned_alloc(ALIGNMENT, BYTES), free(block))
    PAIRS(_ZnwmSt11align_val_t(BYTES, ALIGNMENT), _ZdlPvSt11align_val_t(block, ALIGNMENT))
    PAIRS(_ZnwmSt11align_val_t(BYTES, ALIGNMENT), _ZdlPvmSt11align_val_t(block, BYTES, ALIGNMENT))
    PAIRS(_ZnwmSt11align_val_tRKSt9nothrow_t(BYTES, ALIGNMENT, &none),
          _ZdlPvSt11align_val_tRKSt9nothrow_t(block, ALIGNMENT, &none))
    PAIRS(_ZnamSt11align_val_t(BYTES, ALIGNMENT), _ZdaPvSt11align_val_t(block, ALIGNMENT))
    PAIRS(_ZnamSt11align_val_t(BYTES, ALIGNMENT), _ZdaPvmSt11align_val_t(block, BYTES, ALIGNMENT))
    PAIRS(_ZnamSt11align_val_tRKSt9nothrow_t(BYTES, ALIGNMENT, &none),
          _ZdaPvSt11align_val_tRKSt9nothrow_t(block, ALIGNMENT, &none))
    return operations == 0;
}
