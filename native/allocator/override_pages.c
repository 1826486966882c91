/* override_pages.c: notes the calls by which a program changes pages in a way that outlasts their block (altered.h), and
 * passes them on. Only libhakmem.so has them. */
#include "altered.h"
#include "override.h"
#include "system_call.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

static int with_errno(long result)
{
    if (result >= 0)
        return (int)result;
    errno = (int)-result;
    return -1;
}

/* Advice on huge pages and on merging is not noted, because it changes no content and is frequent. */
EXPORT int madvise(void *start, size_t bytes, int advice)
{
    if (advice == MADV_DONTFORK || advice == MADV_WIPEONFORK || advice == MADV_DONTDUMP || advice == MADV_GUARD_INSTALL)
        altered_note(start, bytes);
    return with_errno(SYSTEM_CALL(SYS_madvise, start, bytes, advice));
}

EXPORT int mprotect(void *start, size_t bytes, int protection)
{
    if (protection != (PROT_READ | PROT_WRITE))
        altered_note(start, bytes);
    return with_errno(SYSTEM_CALL(SYS_mprotect, start, bytes, protection));
}

EXPORT int pkey_mprotect(void *start, size_t bytes, int protection, int key)
{
    altered_note(start, bytes);
    return with_errno(key == -1 ? SYSTEM_CALL(SYS_mprotect, start, bytes, protection)
                                : SYSTEM_CALL(SYS_pkey_mprotect, start, bytes, protection, key));
}

EXPORT int mlock(const void *start, size_t bytes)
{
    altered_note(start, bytes);
    return with_errno(SYSTEM_CALL(SYS_mlock, start, bytes));
}

EXPORT int mlock2(const void *start, size_t bytes, unsigned flags)
{
    altered_note(start, bytes);
    return with_errno(SYSTEM_CALL(SYS_mlock2, start, bytes, flags));
}
