/* override_cxx.c: C++'s operators new and delete, under their mangled names, in C. Only in libhakmem.so.
 *
 * All or none: a library that brings operators of its own (a pool, another malloc) defines both halves,
 * and with only delete exported here its blocks would come to our free. So all 20 are defined, and each
 * pair meets in one allocator whoever else defines them further down the search order. Where a program replaces
 * some of them, those further up, the others call them (override_replaced.h).
 *
 * C can neither throw nor catch. When there is no memory, new asks the C++ runtime's operator of the same name,
 * which tries malloc again, calls the new handler as long as there is one, and throws std::bad_alloc (or gives
 * NULL, if nothrow); the exception passes through the frames here, which have nothing to clean up. A nothrow form
 * whose throwing form is replaced is the runtime's from the start: that one catches. The runtime is looked up by
 * its library first: what stands next in the search order may be such a pool. */
#include "fast_path.h"
#include "override.h"
#include "override_replaced.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* NULL: there is none. A library found once stays loaded. */
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

/* Looked up once: each lookup takes the loader's lock. Threads that do so at a time find the same. */
static COLD void *find_to_catch(_Atomic(void *) *known, const char *name)
{
    void *operator = atomic_load_explicit(known, memory_order_relaxed);
    if (!operator) {
        operator = find_in_runtime(name);
        atomic_store_explicit(known, operator, memory_order_relaxed);
    }
    return operator;
}

/* Each form of new has three ways off the fast path: NAME_slowly does all; NAME_missed follows a bin that could not
 * serve; NAME_above_tiny serves what is larger. `by_others`: the block, where something is replaced. */
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
    EXPORT void *name parameters                                                                                    \
    {                                                                                                               \
        struct tls_cache *cache = derived_cache;                                                                    \
        if (UNLIKELY(bytes > TINY_MAX_BYTES))                                                                       \
            return name##_above_tiny arguments;                                                                     \
        struct bin *bin = bin_of_key(cache, cache->tiny_table[(bytes + 7) / 8]);                                    \
        return LIKELY(bin_may_pop(bin)) ? bin_pop(bin) : name##_missed arguments;                                   \
    }

#define NEW_ALIGNED(name, parameters, arguments, by_others)                                                         \
    EXPORT void *name parameters                                                                                    \
    {                                                                                                               \
        if (UNLIKELY(calls_are_replaced()))                                                                         \
            return by_others;                                                                                       \
        void *block = allocate_aligned(bytes, alignment, CALL_SITE);                                                \
        return LIKELY(block != NULL) ? block : ((__typeof__(&name))find_to_throw(#name))arguments;                  \
    }

/* Size and alignment say nothing that the address does not. A block that is not ours goes to the next operator of the
 * name, who would have had it without us: a library's operators may be bound to the library itself (-Bsymbolic), and
 * those forms of delete that it has not come here. Where nobody knows it, it ends in our free. */
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
    EXPORT void name parameters                                                                                     \
    {                                                                                                               \
        if (UNLIKELY(!try_free_cached(derived_cache, block)))                                                       \
            name##_slowly arguments;                                                                                \
    }

/* The runtime's operator `name`, which catches what the replaced one throws; without a runtime, that one. */
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

/* aligned_alloc wants whole multiples. */
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
