/* system_page.c: asks what the kernel told the program at its start. */
#include "system_page.h"

#include <sys/auxv.h>

size_t system_page_bytes = SMALLEST_PAGE_BYTES;

void system_page_start(void)
{
    size_t bytes = getauxval(AT_PAGESZ);
    if (bytes > system_page_bytes && bytes <= LARGEST_PAGE_BYTES)
        system_page_bytes = bytes;
}
