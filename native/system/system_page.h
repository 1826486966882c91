/* system_page.h: the size of a page, which on 64-bit ARM is the kernel's choice: 4, 16 or 64 KiB. */
#ifndef HAK_SYSTEM_PAGE_H
#define HAK_SYSTEM_PAGE_H

#include <stddef.h>

#define SMALLEST_PAGE_BYTES ((size_t)4096)
#define LARGEST_PAGE_BYTES ((size_t)65536)
#define PAGE_BYTES system_page_bytes

/* Written once, before anything is mapped: by system_page_start, or by a test, which may take a larger one than the
 * system's. Plain: threads begin later. */
extern size_t system_page_bytes;

void system_page_start(void);

#endif
