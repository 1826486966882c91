/* page_size.c: linked into every program of tests/native. TEST_PAGE_BYTES has the allocator take pages for larger than
 * the system's are, as on 64-bit ARM with pages of 16 or 64 KiB. */
#include "system_page.h"

#include <stdlib.h>

__attribute__((constructor(101))) static void choose_page_size(void)
{
    const char *text = getenv("TEST_PAGE_BYTES");
    if (text)
        system_page_bytes = strtoul(text, NULL, 10);
}
