/* system_page.h: the size of a page on x86-64. */
#ifndef HAK_SYSTEM_PAGE_H
#define HAK_SYSTEM_PAGE_H

#define PAGE_BYTES ((size_t)4096)

#endif
