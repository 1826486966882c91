/* override_cxx.c: C++'s operators new and delete, under their mangled names, in C. Only libhakmem.so has them.
 *
 * All 20 operators are defined here. A library that brings operators of its own (a pool, another malloc) defines both
 * new and delete. If only delete were exported here, that library's blocks would come to this allocator's free. With all
 * 20, new and delete always belong to the same allocator, whichever library further down the loader's search order
 * defines them, too. If a program replaces some of them further up, the others call the replacements
 * (override_replaced.h).
 *
 * C can neither throw nor catch. If there is no memory, new calls the C++ runtime's operator of the same name, which tries
 * malloc again, calls the new handler as long as there is one, and throws std::bad_alloc (nothrow: returns NULL). The
 * exception passes through the frames of this file, which have nothing to clean up. If a throwing form is replaced, its
 * nothrow form always calls the runtime's, which catches what the replacement throws. The runtime is first looked up by
 * the names of its libraries, because the next library in the search order may be such a pool. */
#include "fast_path.h"
#include "override.h"
#include "override_replaced.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* Returns NULL if there is none. dlopen raises the count of a library that it finds, so the library stays loaded. */
static COLD void *find_in_runtime(const char *name)
{
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        void *library = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        void *operator = library ? dlsym(library, name) : NULL;
        if (operator)
            return operator;
    }
    return dlsym(RTLD_NEXT, name);
}

static COLD void *find_to_throw(const char *name)
{
    void *operator = find_in_runtime(name);
    if (operator)
        return operator;
    static const char line[] = "hakmem: operator new: no memory, and no C++ runtime to throw std::bad_alloc with\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0)
        abort();
    abort();
}

/* Each lookup takes the loader's lock, so the result is kept. Threads that look it up at once find the same. */
static COLD void *find_to_catch(_Atomic(void *) *known, const char *name)
{
    void *operator = atomic_load_explicit(known, memory_order_relaxed);
    if (!operator) {
        operator = find_in_runtime(name);
        atomic_store_explicit(known, operator, memory_order_relaxed);
    }
    return operator;
}

/* Each form of new has three ways off the fast path: NAME_missed is called if the bin cannot serve, NAME_above_tiny serves
 * larger requests, and NAME_slowly serves any request. `by_others` allocates the block if some call is replaced. */
#define NEW(name, parameters, arguments, by_others)                                                                 \
    static COLD void *name##_at_end parameters                                                                      \
    {                                                                                                               \
        return ((__typeof__(&name##_at_end))find_to_throw(#name))arguments;                                         \
    }                                                                                                               \
    static NOINLINE void *name##_slowly parameters                                                                  \
    {                                                                                                               \
        void *block;                                                                                                \
        if (UNLIKELY(!allocate_unless_replaced(&block, bytes, CALL_SITE)))                                          \
            return by_others;                                                                                       \
        return LIKELY(block != NULL) ? block : name##_at_end arguments;                                             \
    }                                                                                                               \
    static NOINLINE void *name##_missed parameters                                                                  \
    {                                                                                                               \
        if (UNLIKELY(!derived_cache->is_real))                                                                      \
            return name##_slowly arguments;                                                                         \
        void *block = heap_malloc_cached(bytes);                                                                    \
        return LIKELY(block != NULL) ? block : name##_at_end arguments;                                             \
    }                                                                                                               \
    static NOINLINE void *name##_above_tiny parameters                                                              \
    {                                                                                                               \
        struct tls_cache *cache = derived_cache;                                                                    \
        if (bytes <= cache->mid_max_bytes) {                                                                        \
            struct bin *bin = bin_of_key(cache, cache->mid_table[(bytes - 1) / MID_STEP_BYTES]);                    \
            return bin_may_pop(bin) ? bin_pop(bin) : name##_missed arguments;                                       \
        }                                                                                                           \
        return name##_slowly arguments;                                                                             \
    }                                                                                                               \
    EXPORT ON_A_LINE void *name parameters                                                                          \
    {                                                                                                               \
        struct tls_cache *cache = derived_cache;                                                                    \
        if (UNLIKELY(bytes > TINY_MAX_BYTES))                                                                       \
            return name##_above_tiny arguments;                                                                     \
        struct bin *bin = bin_of_key(cache, cache->tiny_table[(bytes + 7) / 8]);                                    \
        return LIKELY(bin_may_pop(bin)) ? bin_pop(bin) : name##_missed arguments;                                   \
    }

#define NEW_ALIGNED(name, parameters, arguments, by_others)                                                         \
    static NOINLINE void *name##_slowly parameters                                                                  \
    {                                                                                                               \
        if (UNLIKELY(calls_are_replaced()))                                                                         \
            return by_others;                                                                                       \
        void *block = allocate_aligned(bytes, alignment, CALL_SITE);                                                \
        derived_cache = tls_cache;                                                                                  \
        return LIKELY(block != NULL) ? block : ((__typeof__(&name##_slowly))find_to_throw(#name))arguments;         \
    }                                                                                                               \
    EXPORT ON_A_LINE void *name parameters                                                                          \
    {                                                                                                               \
        struct bin *bin = aligned_bin(derived_cache, alignment, bytes);                                             \
        return LIKELY(bin && bin_may_pop(bin)) ? bin_pop(bin) : name##_slowly arguments;                            \
    }

/* Size and alignment are ignored, because the address tells both. A block of another allocator goes to the next operator of
 * the same name, which would have got it without this library. Such blocks come from a library whose operators are bound to
 * the library itself (-Bsymbolic): forms of delete that it does not define come here. If there is no next operator, this
 * allocator's free reports the block. */
#define DELETE(name, parameters, arguments, by_others)                                                              \
    static NOINLINE void name##_slowly parameters                                                                   \
    {                                                                                                               \
        void *next;                                                                                                 \
        if (UNLIKELY(calls_are_replaced()))                                                                         \
            by_others;                                                                                              \
        else if (UNLIKELY(block && !heap_owns(block)) && (next = dlsym(RTLD_NEXT, #name)))                          \
            ((__typeof__(&name##_slowly))next)arguments;                                                            \
        else                                                                                                        \
            free_unless_replaced(block);                                                                            \
    }                                                                                                               \
    EXPORT ON_A_LINE void name parameters                                                                           \
    {                                                                                                               \
        if (UNLIKELY(!try_free_cached(derived_cache, block)))                                                       \
            name##_slowly arguments;                                                                                \
    }

/* Calls the runtime's operator `name`, which catches what the replaced throwing form throws; without a runtime, calls that
 * form. */
#define CATCHING(name, parameters, arguments, throwing)                                                             \
    static COLD void *name##_catching parameters                                                                    \
    {                                                                                                               \
        static _Atomic(void *) known;                                                                               \
        void *operator = find_to_catch(&known, #name);                                                              \
        return operator ? ((__typeof__(&name##_catching))operator)arguments : throwing;                             \
    }

static COLD void *new_by_malloc(size_t bytes)
{
    void *block = program_calls.malloc(bytes ? bytes : 1);
    return block ? block : ((void *(*)(size_t))find_to_throw("_Znwm"))(bytes);
}

static void *allocate_aligned(size_t bytes, size_t alignment, void *call_site)
{
    return alignment & (alignment - 1) ? NULL : heap_memalign(alignment, bytes, call_site);
}

/* aligned_alloc requires a size that is a multiple of the alignment. */
static COLD void *new_aligned_by_others(size_t bytes, size_t alignment, void *call_site)
{
    typedef void *operator(size_t, size_t);
    void *block = !aligned_calls_are_replaced()
                      ? allocate_aligned(bytes, alignment, call_site)
                      : program_calls.aligned_alloc(alignment, round_up(bytes ? bytes : 1, alignment));
    return block ? block : ((operator *)find_to_throw("_ZnwmSt11align_val_t"))(bytes, alignment);
}

static COLD void delete_aligned_by_others(void *block)
{
    if (aligned_calls_are_replaced())
        program_calls.free(block);
    else
        fast_free(block);
}

#define SIZE size_t bytes __attribute__((unused))
#define ALIGNMENT size_t alignment __attribute__((unused))
#define NOTHROW const void *nothrow __attribute__((unused))

CATCHING(_ZnwmRKSt9nothrow_t, (SIZE, NOTHROW), (bytes, nothrow), program_calls.new(bytes))
CATCHING(_ZnamRKSt9nothrow_t, (SIZE, NOTHROW), (bytes, nothrow), program_calls.new_array(bytes))
CATCHING(_ZnwmSt11align_val_tRKSt9nothrow_t, (SIZE, ALIGNMENT, NOTHROW), (bytes, alignment, nothrow),
         program_calls.new_aligned(bytes, alignment))
CATCHING(_ZnamSt11align_val_tRKSt9nothrow_t, (SIZE, ALIGNMENT, NOTHROW), (bytes, alignment, nothrow),
         program_calls.new_array_aligned(bytes, alignment))

NEW(_Znwm, (SIZE), (bytes), new_by_malloc(bytes))
NEW(_Znam, (SIZE), (bytes), program_calls.new(bytes))
NEW(_ZnwmRKSt9nothrow_t, (SIZE, NOTHROW), (bytes, nothrow), _ZnwmRKSt9nothrow_t_catching(bytes, nothrow))
NEW(_ZnamRKSt9nothrow_t, (SIZE, NOTHROW), (bytes, nothrow), _ZnamRKSt9nothrow_t_catching(bytes, nothrow))
NEW_ALIGNED(_ZnwmSt11align_val_t, (SIZE, ALIGNMENT), (bytes, alignment),
            new_aligned_by_others(bytes, alignment, CALL_SITE))
NEW_ALIGNED(_ZnamSt11align_val_t, (SIZE, ALIGNMENT), (bytes, alignment), program_calls.new_aligned(bytes, alignment))
NEW_ALIGNED(_ZnwmSt11align_val_tRKSt9nothrow_t, (SIZE, ALIGNMENT, NOTHROW), (bytes, alignment, nothrow),
            _ZnwmSt11align_val_tRKSt9nothrow_t_catching(bytes, alignment, nothrow))
NEW_ALIGNED(_ZnamSt11align_val_tRKSt9nothrow_t, (SIZE, ALIGNMENT, NOTHROW), (bytes, alignment, nothrow),
            _ZnamSt11align_val_tRKSt9nothrow_t_catching(bytes, alignment, nothrow))

DELETE(_ZdlPv, (void *block), (block), program_calls.free(block))
DELETE(_ZdaPv, (void *block), (block), program_calls.delete(block))
DELETE(_ZdlPvm, (void *block, SIZE), (block, bytes), program_calls.delete(block))
DELETE(_ZdaPvm, (void *block, SIZE), (block, bytes), program_calls.delete_array(block))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, NOTHROW), (block, nothrow), program_calls.delete(block))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, NOTHROW), (block, nothrow), program_calls.delete_array(block))
DELETE(_ZdlPvSt11align_val_t, (void *block, ALIGNMENT), (block, alignment), delete_aligned_by_others(block))
DELETE(_ZdaPvSt11align_val_t, (void *block, ALIGNMENT), (block, alignment),
       program_calls.delete_aligned(block, alignment))
DELETE(_ZdlPvmSt11align_val_t, (void *block, SIZE, ALIGNMENT), (block, bytes, alignment),
       program_calls.delete_aligned(block, alignment))
DELETE(_ZdaPvmSt11align_val_t, (void *block, SIZE, ALIGNMENT), (block, bytes, alignment),
       program_calls.delete_array_aligned(block, alignment))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, ALIGNMENT, NOTHROW), (block, alignment, nothrow),
       program_calls.delete_aligned(block, alignment))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, ALIGNMENT, NOTHROW), (block, alignment, nothrow),
       program_calls.delete_array_aligned(block, alignment))
