/* override_info.c: glibc's calls that tune and describe malloc, mapped to what they mean here. Only in
 * libhakmem.so.
 *
 *   mallopt       1 and the tunable, for what has a counterpart; 0 for the rest, as glibc for what it
 *                 does not know. M_TRIM_THRESHOLD: ss.retain_chunks (-1: ss.purge_delay_ms = -1);
 *                 M_CHECK_ACTION: check.action.
 *   mallinfo2     arena: committed outside big blocks; hblks, hblkhd: big blocks at the user; fsmblks:
 *                 threads' caches; uordblks: at the user; fordblks: committed and not at the user;
 *                 keepcost: kept for reuse, which malloc_trim would give back; the rest 0.
 *   mallinfo      the same, cut to int, as its type demands.
 *   malloc_info, malloc_stats   the same figures as XML and as text. */
#include "hak_reader.h"
#include "process.h"
#include "statistics.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#ifndef M_CHECK_ACTION
#define M_CHECK_ACTION (-5)
#endif
#define CHUNK_MIB 2

/* As any other writer would, through the control block. */
static bool set_tunable(const char *name, double value)
{
    struct hak_reader reader;
    char error[HAK_ERROR_TEXT_BYTES];
    const char *path = process_control_path();
    if (!path[0] || hak_reader_open(&reader, path, error) != HAK_OK)
        return false;
    struct hak_tunable tunable;
    uint64_t generation;
    bool done = false;
    for (uint32_t i = 0; hak_reader_tunable(&reader, i, &tunable, error) == HAK_OK; i++) {
        if (strcmp(tunable.name, name) != 0)
            continue;
        value = value > tunable.maximum ? tunable.maximum : value;
        done = hak_reader_set(&reader, &i, &value, 1, &generation, error) == HAK_OK;
        break;
    }
    hak_reader_close(&reader);
    return done;
}

EXPORT int mallopt(int parameter, int value)
{
    switch (parameter) {
    case M_TRIM_THRESHOLD:
        if (value < 0)
            return set_tunable("ss.purge_delay_ms", -1);
        return set_tunable("ss.retain_chunks", (double)((unsigned)value / (CHUNK_MIB << 20)));
    case M_CHECK_ACTION:
        return set_tunable("check.action", value & 2 ? 0 : 1);
    default:
        return 0;
    }
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    struct heap_statistics now = heap_statistics();
    size_t big_bytes = now.big_bytes + now.big_cached_bytes;
    struct mallinfo2 info = {
        .arena = now.committed_bytes > big_bytes ? now.committed_bytes - big_bytes : 0,
        .hblks = now.big_blocks,
        .hblkhd = now.big_bytes,
        .fsmblks = now.cached_bytes,
        .uordblks = now.live_bytes,
        .fordblks = now.committed_bytes > now.live_bytes ? now.committed_bytes - now.live_bytes : 0,
        .keepcost = now.big_cached_bytes + now.l25_free_bytes,
    };
    return info;
}

static int cut(size_t value)
{
    return value > INT_MAX ? INT_MAX : (int)value;
}

EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 info = mallinfo2();
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
        return; /* nobody listens */
}
