/* writer_file.c: the file behind a control block (writer_file.h), and what /proc tells of its owner. The
 * same rules as in writer.c hold: no allocation, no output, no cancellation points. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* ---- system calls and text ------------------------------------------------------------------ */

int block_system_open(int directory, const char *name, int flags, unsigned mode)
{
    return (int)syscall(SYS_openat, directory, name, flags | O_CLOEXEC, mode);
}

void block_system_close(int descriptor)
{
    syscall(SYS_close, descriptor);
}

/* Reads a small /proc file; returns its length, text is NUL-terminated. */
static size_t read_small_file(const char *path, char *text, size_t bytes)
{
    size_t length = 0;
    int descriptor = block_system_open(AT_FDCWD, path, O_RDONLY, 0);
    if (descriptor >= 0) {
        while (length + 1 < bytes) {
            long got = syscall(SYS_read, descriptor, text + length, bytes - 1 - length);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            length += (size_t)got;
        }
        block_system_close(descriptor);
    }
    text[length] = 0;
    return length;
}

/* Appends at `end` while there is room before `limit`; returns the new end. */
char *block_append_text(char *end, const char *limit, const char *text)
{
    while (*text && end + 1 < limit)
        *end++ = *text++;
    *end = 0;
    return end;
}

static char *append_number(char *end, const char *limit, uint64_t number)
{
    char digits[24], *first = digits + sizeof digits - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    return block_append_text(end, limit, first);
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Field 22 of /proc/self/stat. The command in field 2 may hold spaces and parentheses: count from
 * the last closing one. 0 if /proc tells nothing. */
static uint64_t own_start_ticks(void)
{
    char text[1024];
    read_small_file("/proc/self/stat", text, sizeof text);
    const char *cursor = strrchr(text, ')');
    for (int field = 2; cursor && field < 22; field++)
        cursor = strchr(cursor + 1, ' ');
    uint64_t ticks = 0;
    if (cursor)
        for (cursor++; *cursor >= '0' && *cursor <= '9'; cursor++)
            ticks = ticks * 10 + (uint64_t)(*cursor - '0');
    return ticks;
}

void block_file_read_command(char *command, size_t bytes)
{
    size_t length = read_small_file("/proc/self/cmdline", command, bytes);
    while (length > 0 && command[length - 1] == 0)
        length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)command[i] < ' ' || command[i] == 127)
            command[i] = ' ';
}

void block_file_identify(struct hak_header *header)
{
    header->pid = (uint32_t)getpid();
    header->uid = (uint32_t)geteuid();
    header->start_ticks = own_start_ticks();
    header->created_ns = monotonic_ns();
}

/* ---- the file ------------------------------------------------------------------------------- */

/* The directory is ours only if nobody could have planted it: real, owned by us, closed to others,
 * and in memory (a block on a disk would write to it for ever). */
static int open_directory(const char *path, uint32_t uid)
{
    int is_new = mkdir(path, 0700) == 0;
    int directory = block_system_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (directory < 0)
        return -1;
    struct stat status;
    struct statfs filesystem;
    if (is_new)
        fchmod(directory, 0700); /* an odd umask may have taken bits away */
    if (fstat(directory, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == uid &&
        (status.st_mode & 07777) == 0700 && fstatfs(directory, &filesystem) == 0 &&
        (unsigned long)filesystem.f_type == TMPFS_MAGIC)
        return directory;
    block_system_close(directory);
    return -1;
}

static int is_valid_kind(const char *kind)
{
    if (!*kind)
        return 0;
    for (; *kind; kind++)
        if (!((*kind >= 'a' && *kind <= 'z') || (*kind >= '0' && *kind <= '9') || *kind == '_' || *kind == '-'))
            return 0;
    return 1;
}

/* A file that cannot hold the whole block would kill the process by a signal later (SIGXFSZ at once,
 * SIGBUS on first touch): better no file at all. */
static int has_room(int directory, uint64_t bytes)
{
    struct rlimit limit;
    struct statfs filesystem;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        return 0;
    if (fstatfs(directory, &filesystem) != 0)
        return 0;
    return filesystem.f_blocks == 0 || (uint64_t)filesystem.f_bavail * (uint64_t)filesystem.f_bsize >= bytes;
}

/* Makes the temporary file and maps it; touched_bytes from its start get their pages at once. */
static char *map_temporary(struct block_file *file, uint64_t bytes, uint64_t touched_bytes, uint32_t access)
{
    unsigned mode = access == HAK_ACCESS_READ ? 0400 : 0600;
    int descriptor = -1;
    for (int attempt = 0; descriptor < 0 && attempt < 2; attempt++) {
        descriptor = block_system_open(file->directory, file->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (descriptor < 0 && errno == EEXIST) /* an earlier image of this process left it half-made */
            unlinkat(file->directory, file->temporary, 0);
    }
    if (descriptor < 0)
        return NULL;
    char *map = MAP_FAILED;
    if (fchmod(descriptor, mode) == 0 && ftruncate(descriptor, (off_t)bytes) == 0 &&
        syscall(SYS_fallocate, descriptor, 0, (off_t)0, (off_t)touched_bytes) == 0)
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    block_system_close(descriptor);
    if (map == MAP_FAILED) {
        unlinkat(file->directory, file->temporary, 0);
        return NULL;
    }
    return map;
}

char *block_file_map(struct block_file *file, const struct hak_header *identity, uint64_t bytes,
                     uint64_t touched_bytes)
{
    if (identity->access == HAK_ACCESS_OFF || identity->start_ticks == 0 || !is_valid_kind(identity->kind))
        return NULL;
    const char *limit = file->path + sizeof file->path;
    char *end = block_append_text(file->path, limit, "/dev/shm/hakmem-");
    end = append_number(end, limit, identity->uid);
    file->directory = open_directory(file->path, identity->uid);
    if (file->directory < 0)
        return NULL;
    end = block_append_text(end, limit, "/");
    file->name = end;
    end = append_number(end, limit, identity->pid);
    end = block_append_text(end, limit, ".");
    end = append_number(end, limit, identity->start_ticks);
    end = block_append_text(end, limit, ".");
    block_append_text(end, limit, identity->kind);
    end = block_append_text(file->temporary, file->temporary + BLOCK_NAME_BYTES, file->name);
    block_append_text(end, file->temporary + BLOCK_NAME_BYTES, ".new");

    char *map = has_room(file->directory, bytes) ? map_temporary(file, bytes, touched_bytes, identity->access) : NULL;
    if (!map)
        block_system_close(file->directory);
    return map;
}

int block_file_publish(struct block_file *file)
{
    int status = (int)syscall(SYS_renameat2, file->directory, file->temporary, file->directory, file->name, 0);
    if (status != 0)
        unlinkat(file->directory, file->temporary, 0);
    block_system_close(file->directory);
    return status;
}

void block_file_discard(struct block_file *file)
{
    unlinkat(file->directory, file->temporary, 0);
    block_system_close(file->directory);
}
