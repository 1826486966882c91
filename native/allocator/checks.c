/* checks.c: prints one line that says what an address is, and aborts, without allocating. */
#include "checks.h"

#include "chunk.h"
#include "control.h"
#include "os.h"
#include "registry.h"
#include "settings.h"
#include "size_class.h"
#include "system_call.h"
#include "telemetry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 160, LINE_BYTES = 400 };

static const char *describe(enum event_cause cause)
{
    switch (cause) {
    case CAUSE_FOREIGN:
        return "belongs to no live block of this allocator";
    case CAUSE_MISALIGNED:
        return "is not the start of a block";
    case CAUSE_DOUBLE_FREE:
        return "was freed before";
    default:
        return "is not valid";
    }
}

/* Finds the line of /proc/self/maps that covers `address`: the start of the mapping, and its name. Returns false if there
 * is none. */
static bool find_mapping(uintptr_t address, uintptr_t *start, char *name, size_t capacity)
{
    int descriptor = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    char buffer[1024], line[256];
    size_t length = 0;
    bool is_found = false;
    ssize_t got;
    while (!is_found && (got = SYSTEM_CALL(SYS_read, descriptor, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < got && !is_found; i++) {
            if (buffer[i] != '\n') {
                if (length < sizeof line - 1)
                    line[length++] = buffer[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            char *rest;
            *start = strtoull(line, &rest, 16);
            is_found = address >= *start && address < strtoull(rest + 1, NULL, 16);
        }
    }
    SYSTEM_CALL(SYS_close, descriptor);
    const char *slash = is_found ? strpbrk(line, "/[") : NULL;
    snprintf(name, capacity, "%s", slash ? slash : "");
    return is_found;
}

static int describe_foreign(char *text, const void *address)
{
    uintptr_t start, own_start;
    char name[96];
    if (os_is_confined())
        return snprintf(text, TEXT_BYTES, "it is memory mapped by others, or nothing is mapped there");
    if (!find_mapping((uintptr_t)address, &start, name, sizeof name))
        return snprintf(text, TEXT_BYTES, "nothing is mapped there");
    char own_name[96];
    if (find_mapping((uintptr_t)text, &own_start, own_name, sizeof own_name) && own_start == start)
        return snprintf(text, TEXT_BYTES, "it is on this thread's stack");
    return snprintf(text, TEXT_BYTES, "it is in %s", *name ? name : "memory mapped by others");
}

/* Says what an address belongs to. It reads descriptors without locks: the process is about to abort, and a wrong word in
 * the message does little harm. */
static int describe_address(char *text, const void *address)
{
    const struct chunk *chunk = control_block.header ? registry_find(address) : NULL;
    if (!chunk)
        return describe_foreign(text, address);
    if (chunk_kind(chunk) == CHUNK_BIG)
        return snprintf(text, TEXT_BYTES, "it is byte %td of a big block of %zu bytes at %p",
                        (const char *)address - big_block(chunk), chunk->requested_bytes - chunk->color_bytes,
                        (void *)big_block(chunk));
    if (chunk_kind(chunk) != CHUNK_SLABS)
        return snprintf(text, TEXT_BYTES, "it is in a chunk that is being given back");
    struct slab *slab = slab_of((struct chunk *)(uintptr_t)chunk, address);
    size_t offset = (size_t)((const char *)address - slab_start(slab));
    if (slab->state == SLAB_CLASS) {
        size_t bytes = size_classes[slab->class_index].bytes;
        return snprintf(text, TEXT_BYTES, "it is byte %zu of a block of %zu bytes at %p", offset % bytes, bytes,
                        (void *)(slab_start(slab) + offset / bytes * bytes));
    }
    if (slab->state == SLAB_L25)
        return snprintf(text, TEXT_BYTES, "it is byte %zu of a block of %zu bytes at %p", offset,
                        slab->span_slabs * SLAB_BYTES, (void *)slab_start(slab));
    return snprintf(text, TEXT_BYTES, "it is in a slab without blocks");
}

void check_failed(const struct actor *actor, const char *call, const void *address, enum event_cause cause)
{
    if (control_block.header) {
        if (SETTING(check_level) == 0)
            return;
        telemetry_add(&telemetry->global.corruptions, 1);
        event_append(actor, EVENT_CORRUPTION, cause, NO_ITEM, 0, (double)(uintptr_t)address);
        if (SETTING(check_action) == CHECK_REFUSE)
            return;
    }
    char line[LINE_BYTES], text[TEXT_BYTES];
    describe_address(text, address);
    int length = snprintf(line, sizeof line, "hakmem: %s(%p): this address %s; %s\n", call, address, describe(cause), text);
    if (length > 0)
        SYSTEM_CALL(SYS_write, STDERR_FILENO, line, length);
    abort();
}
