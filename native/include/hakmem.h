/* hakmem.h: the allocation calls under hak_ names, for a program that links the allocator instead of
 * preloading it. They work like malloc(3), posix_memalign(3) and malloc_usable_size(3). */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>

#if defined(__GNUC__)
#define HAK_API __attribute__((visibility("default")))
#else
#define HAK_API
#endif

HAK_API void *hak_malloc(size_t bytes);
HAK_API void *hak_calloc(size_t count, size_t bytes);
HAK_API void *hak_realloc(void *block, size_t bytes);
HAK_API void *hak_reallocarray(void *block, size_t count, size_t bytes);
HAK_API void hak_free(void *block);
HAK_API int hak_posix_memalign(void **out, size_t alignment, size_t bytes);
HAK_API void *hak_aligned_alloc(size_t alignment, size_t bytes);
HAK_API void *hak_memalign(size_t alignment, size_t bytes);
HAK_API void *hak_valloc(size_t bytes);
HAK_API void *hak_pvalloc(size_t bytes);
/* These two are from C23. */
HAK_API void hak_free_sized(void *block, size_t bytes);
HAK_API void hak_free_aligned_sized(void *block, size_t alignment, size_t bytes);
HAK_API size_t hak_malloc_usable_size(const void *block);

/* Returns the path of this process's control block (hak_block.h), or "" if the block is private. Starts the allocator. */
HAK_API const char *hak_control_path(void);
/* Writes one line to `text` that says why the block is private and what would help, or "" if it is not private. Returns 1
 * if it is private because access was switched off. */
HAK_API int hak_control_problem(char *text, size_t bytes);
/* Gives the calling thread's caches and all idle memory back. Returns 1 if any memory went back to the system. */
HAK_API int hak_trim(void);

#endif
