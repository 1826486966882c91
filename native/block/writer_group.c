/* writer_group.c: reads the environment and the file of a group, item by item. */
#include "writer_group.h"

#include "system_call.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

static void read_items(long descriptor, char end, void (*take)(void *context, const char *item), void *context)
{
    char buffer[4096], item[512];
    size_t length = 0;
    long got;
    while ((got = SYSTEM_CALL(SYS_read, descriptor, buffer, sizeof buffer)) > 0) {
        for (long i = 0; i < got; i++) {
            bool is_end = buffer[i] == end;
            if (length < sizeof item)
                item[length] = is_end ? 0 : buffer[i];
            length++;
            if (!is_end)
                continue;
            if (length <= sizeof item)
                take(context, item);
            length = 0;
        }
    }
}

static bool is_ours(long descriptor)
{
    struct stat file;
    return SYSTEM_CALL(SYS_fstat, descriptor, &file) == 0 && S_ISREG(file.st_mode) &&
           (long)file.st_uid == SYSTEM_CALL(SYS_geteuid) && !(file.st_mode & (S_IWGRP | S_IWOTH));
}

void hak_read_environment(void (*take)(void *context, const char *item), void *context)
{
    long descriptor = SYSTEM_CALL(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    read_items(descriptor, 0, take, context);
    SYSTEM_CALL(SYS_close, descriptor);
}

void hak_read_group(const char *path, void (*take)(void *context, const char *line), void *context)
{
    long descriptor = SYSTEM_CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return;
    if (is_ours(descriptor))
        read_items(descriptor, '\n', take, context);
    SYSTEM_CALL(SYS_close, descriptor);
}
