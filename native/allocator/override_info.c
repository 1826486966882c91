/* override_info.c: glibc's calls that tune and describe malloc, mapped to what they mean for this allocator. Only
 * libhakmem.so has them.
 *
 *   mallopt       Returns 1, as glibc does for every parameter, even an unknown one; but 0 for M_MXFAST
 *                 outside 0 to 160.
 *                 M_TRIM_THRESHOLD sets ss.retain_chunks (-1: ss.purge_delay_ms = -1), and M_CHECK_ACTION sets
 *                 check.action.
 *                 M_MXFAST, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_TEST and M_ARENA_MAX have no effect:
 *                 they lay out heaps and lists that only glibc has. Nor has M_PERTURB: it would make
 *                 every allocation longer, and check.level = 3 finds more errors.
 *   mallinfo2     arena: committed outside big blocks; hblks, hblkhd: big blocks at the user; fsmblks:
 *                 threads' caches; uordblks: at the user; fordblks: committed and not at the user;
 *                 keepcost: kept for reuse, which malloc_trim would give back; the rest 0.
 *   mallinfo      the same, cut to int, as its type demands.
 *   malloc_info, malloc_stats   the same figures as XML and as text. */
#include "control.h"
#include "hak_reader.h"
#include "os.h"
#include "override.h"
#include "process.h"
#include "settings.h"
#include "statistics.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#ifndef M_CHECK_ACTION
#define M_CHECK_ACTION (-5)
#endif
#define MOST_FAST_BYTES 160 /* the largest value that glibc accepts for M_MXFAST */

/* Sets the tunable through the control block's file, for which setters take turns. If there is no file, or it may only be
 * read, or the process has confined itself (os.h), sets it in memory. */
static int set_tunable(enum tunable tunable, double value)
{
    struct hak_reader reader;
    char error[HAK_ERROR_TEXT_BYTES];
    const char *path = process_control_path();
    int code = HAK_ERROR_READ_ONLY;
    if (path[0] && !os_is_confined() && hak_reader_open(&reader, path, error) == HAK_OK) {
        uint32_t index = tunable;
        uint64_t generation;
        code = hak_reader_set(&reader, &index, &value, 1, &generation, error);
        hak_reader_close(&reader);
    }
    return code == HAK_OK || control_request(tunable, value);
}

static int set_option(int parameter, int value)
{
    switch (parameter) {
    case M_TRIM_THRESHOLD:
        if (value < 0)
            return set_tunable(TUNABLE_ss_purge_delay_ms, -1);
        return set_tunable(TUNABLE_ss_retain_chunks, (double)((size_t)value / CHUNK_BYTES));
    case M_CHECK_ACTION:
        return set_tunable(TUNABLE_check_action, value & 2 ? CHECK_ABORT : CHECK_REFUSE);
    case M_MXFAST:
        return value >= 0 && value <= MOST_FAST_BYTES;
    default:
        return 1;
    }
}

EXPORT int mallopt(int parameter, int value)
{
    return set_option(parameter, value);
}

EXPORT int __libc_mallopt(int parameter, int value)
{
    return set_option(parameter, value);
}

static struct mallinfo2 get_info(void)
{
    struct heap_statistics now = heap_statistics();
    size_t big_bytes = now.big_bytes + now.big_cached_bytes;
    return (struct mallinfo2){
        .arena = now.committed_bytes > big_bytes ? now.committed_bytes - big_bytes : 0,
        .hblks = now.big_blocks,
        .hblkhd = now.big_bytes,
        .fsmblks = now.cached_bytes,
        .uordblks = now.live_bytes,
        .fordblks = now.committed_bytes > now.live_bytes ? now.committed_bytes - now.live_bytes : 0,
        .keepcost = now.big_cached_bytes + now.l25_free_bytes,
    };
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    return get_info();
}

static int cut(size_t value)
{
    return value > INT_MAX ? INT_MAX : (int)value;
}

static struct mallinfo get_narrow_info(void)
{
    struct mallinfo2 info = get_info();
    return (struct mallinfo){
        .arena = cut(info.arena),
        .hblks = cut(info.hblks),
        .hblkhd = cut(info.hblkhd),
        .fsmblks = cut(info.fsmblks),
        .uordblks = cut(info.uordblks),
        .fordblks = cut(info.fordblks),
        .keepcost = cut(info.keepcost),
    };
}

EXPORT struct mallinfo mallinfo(void)
{
    return get_narrow_info();
}

EXPORT struct mallinfo __libc_mallinfo(void)
{
    return get_narrow_info();
}

EXPORT int malloc_info(int options, FILE *stream)
{
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    struct heap_statistics now = heap_statistics();
    int written = fprintf(stream,
                          "<malloc version=\"hakmem-1\">\n"
                          "<system type=\"current\" size=\"%zu\"/>\n"
                          "<system type=\"purged\" size=\"%zu\"/>\n"
                          "<total type=\"live\" size=\"%zu\"/>\n"
                          "<total type=\"cached\" threads=\"%zu\" size=\"%zu\"/>\n"
                          "<total type=\"slabs\" count=\"%zu\" chunks=\"%zu\"/>\n"
                          "<total type=\"l25\" size=\"%zu\"/>\n"
                          "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
                          "<total type=\"mmap-cached\" size=\"%zu\"/>\n"
                          "</malloc>\n",
                          now.committed_bytes, now.purged_bytes, now.live_bytes, now.threads, now.cached_bytes,
                          now.busy_slabs, now.chunks, now.l25_free_bytes, now.big_blocks, now.big_bytes,
                          now.big_cached_bytes);
    return written < 0 ? -1 : 0;
}

EXPORT void malloc_stats(void)
{
    struct heap_statistics now = heap_statistics();
    char text[512];
    int length = snprintf(text, sizeof text,
                          "hakmem: %zu bytes live, %zu in caches of %zu threads, %zu committed, %zu given back so far\n"
                          "hakmem: %zu chunks, %zu slabs busy; %zu big blocks of %zu bytes; kept: %zu big, %zu L2.5\n",
                          now.live_bytes, now.cached_bytes, now.threads, now.committed_bytes, now.purged_bytes, now.chunks,
                          now.busy_slabs, now.big_blocks, now.big_bytes, now.big_cached_bytes, now.l25_free_bytes);
    if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
        return; /* standard error is closed; there is nothing else to do */
}
