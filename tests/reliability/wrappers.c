/* wrappers.c: a library of wrappers, as fakeroot and libfaketime are: each allocates before it hands its arguments on.
 * And, with -DHANDLERS, a library whose constructor registers handlers of fork that allocate. */
#include <dlfcn.h>
#include <stdlib.h>

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
unsigned long wrapper_calls(void);

static unsigned long calls;

static void allocate(void)
{
    void *blocks[20];
    calls++;
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = i % 3 ? malloc(i * 20) : calloc(i, 30);
        if (i % 3 && !(blocks[i] = realloc(blocks[i], i * 30 + 1)))
            abort();
    }
    free(aligned_alloc(64, 640));
    for (size_t i = 0; i < 20; i++)
        free(blocks[i]);
}

unsigned long wrapper_calls(void)
{
    return calls;
}

#ifdef HANDLERS
__attribute__((constructor)) static void register_handlers(void)
{
    pthread_atfork(allocate, allocate, allocate);
}
#else
/* Arguments are numbers and pointers, six in registers and one on the stack at most. While it looks for the next
 * function a wrapper hands nothing on: dlsym may call it. */
typedef long any_function(long, long, long, long, long, long, long);
#define WRAP(name)                                                                                                     \
    __attribute__((visibility("default"))) long name(long a, long b, long c, long d, long e, long f, long g);         \
    long name(long a, long b, long c, long d, long e, long f, long g)                                                  \
    {                                                                                                                  \
        static any_function *next;                                                                                     \
        static __thread int is_inside;                                                                                 \
        if (!is_inside) {                                                                                              \
            is_inside = 1;                                                                                             \
            allocate();                                                                                                \
            if (!next)                                                                                                 \
                next = (any_function *)dlsym(RTLD_NEXT, #name);                                                        \
            is_inside = 0;                                                                                             \
        }                                                                                                              \
        return next ? next(a, b, c, d, e, f, g) : -1;                                                                  \
    }
WRAPPED
#endif
