/* writer_file.c: the file behind a control block (writer_file.h), and facts of its process from /proc. The same
 * rules as in writer.c hold: no allocation, no output, no function of the C library that makes system calls. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer_file.h"

#include "system_call.h"
#include "system_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

/* ---- system calls and text ------------------------------------------------------------------ */

/* Returns a descriptor, or -errno. */
static int open_at(int directory, const char *name, int flags, unsigned mode)
{
    return (int)SYSTEM_CALL(SYS_openat, directory, name, flags | O_CLOEXEC, mode);
}

static void close_file(int descriptor)
{
    SYSTEM_CALL(SYS_close, descriptor);
}

static int get_status(int descriptor, struct stat *status)
{
    return (int)SYSTEM_CALL(SYS_newfstatat, descriptor, "", status, AT_EMPTY_PATH);
}

/* Reads a small /proc file by one call. Returns its length; the text is terminated by NUL. */
static size_t read_small_file(const char *path, char *text, size_t bytes)
{
    long length = 0;
    int descriptor = open_at(AT_FDCWD, path, O_RDONLY, 0);
    if (descriptor >= 0) {
        length = SYSTEM_CALL(SYS_read, descriptor, text, bytes - 1);
        close_file(descriptor);
    }
    text[length > 0 ? length : 0] = 0;
    return length > 0 ? (size_t)length : 0;
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

static const char *read_number(const char *text, uint64_t *number)
{
    for (*number = 0; *text >= '0' && *text <= '9'; text++)
        *number = *number * 10 + (uint64_t)(*text - '0');
    return text;
}

/* ---- identity of the process ---------------------------------------------------------------- */

/* Returns field 22 of /proc/self/stat, or 0 if it cannot be read. The command in field 2 may contain spaces and
 * parentheses, so fields are counted from the last closing parenthesis. */
static uint64_t own_start_ticks(void)
{
    char text[1024];
    read_small_file("/proc/self/stat", text, sizeof text);
    const char *cursor = strrchr(text, ')');
    for (int field = 2; cursor && field < 22; field++)
        cursor = strchr(cursor + 1, ' ');
    uint64_t ticks = 0;
    if (cursor)
        read_number(cursor + 1, &ticks);
    return ticks;
}

/* Returns the inode of a namespace, from a link such as pid:[4026531836], or 0 if there is none. */
static uint64_t own_namespace(const char *link)
{
    char text[64];
    uint64_t inode = 0;
    long length = SYSTEM_CALL(SYS_readlinkat, AT_FDCWD, link, text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    const char *bracket = strchr(text, '[');
    if (bracket)
        read_number(bracket + 1, &inode);
    return inode;
}

void block_file_read_command(char *command, size_t bytes)
{
    size_t length = read_small_file("/proc/thread-self/cmdline", command, bytes);
    while (length > 0 && command[length - 1] == 0)
        length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)command[i] < ' ' || command[i] == 127)
            command[i] = ' ';
}

void block_file_identify(struct hak_header *header)
{
    header->pid = (uint32_t)SYSTEM_CALL(SYS_getpid);
    header->uid = (uint32_t)SYSTEM_CALL(SYS_geteuid);
    header->start_ticks = own_start_ticks();
    header->created_ns = system_clock_ns(CLOCK_MONOTONIC);
    header->pid_namespace = own_namespace("/proc/thread-self/ns/pid");
    header->time_namespace = own_namespace("/proc/thread-self/ns/time");
}

/* In a user namespace without a mapping for the process's user, the system shows OVERFLOW_UID. No reader would look in a
 * folder with that number. */
static int is_uid_known(uint32_t uid)
{
    enum { OVERFLOW_UID = 65534 };
    char text[1024];
    if (uid != OVERFLOW_UID)
        return 1;
    read_small_file("/proc/self/uid_map", text, sizeof text);
    for (const char *cursor = text; *cursor;) { /* each line has the first uid inside, the first outside, and a count */
        uint64_t number[3] = {0};
        for (int i = 0; i < 3; i++)
            cursor = read_number(cursor + strspn(cursor, " "), &number[i]);
        if (number[0] <= uid && uid - number[0] < number[2])
            return 1;
        cursor += strcspn(cursor, "\n");
        cursor += *cursor == '\n';
    }
    return 0;
}

/* ---- files of dead processes ---------------------------------------------------------------- */

/* The buffer is small, because a thread with the smallest of stacks may make a block (samples.c). */
enum { SWEEP_LOOKS = 8, SWEEP_REMOVALS = 4, SWEEP_STEPS = 16, SWEEP_BUFFER_BYTES = 1024 };

struct directory_entry { /* as getdents64 writes it */
    uint64_t inode, next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

/* Whether the file comes from a version that locks its blocks, and still has a name. If it has none, a newer block may have
 * that name. */
static int is_named_block(int descriptor)
{
    struct stat status;
    uint64_t pid_namespace = 0;
    long got = SYSTEM_CALL(SYS_pread64, descriptor, &pid_namespace, sizeof pid_namespace,
                       offsetof(struct hak_header, pid_namespace));
    return got == sizeof pid_namespace && pid_namespace != 0 && get_status(descriptor, &status) == 0 && status.st_nlink > 0;
}

/* Removes a file if its lock can be taken, which proves that no process publishes it, and holds the lock meanwhile.
 * A link is removed at once, because it cannot be a block. Returns whether the file was removed. */
static int remove_if_dead(int directory, const char *name)
{
    int is_removed = 0, descriptor = open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (descriptor < 0)
        return descriptor == -ELOOP && SYSTEM_CALL(SYS_unlinkat, directory, name, 0) == 0;
    if (SYSTEM_CALL(SYS_flock, descriptor, LOCK_EX | LOCK_NB) == 0 && is_named_block(descriptor))
        is_removed = SYSTEM_CALL(SYS_unlinkat, directory, name, 0) == 0;
    close_file(descriptor);
    return is_removed;
}

static unsigned count_entries(const char *entries, long bytes)
{
    unsigned count = 0;
    for (long place = 0; place < bytes; count++)
        place += ((const struct directory_entry *)(const void *)(entries + place))->bytes;
    return count;
}

/* Looks at a few files, however many there are, and removes dead ones: each start may remove more than it leaves behind.
 * The first file is chosen at random, so that each file gets its turn. Names of blocks begin with a digit. */
static void sweep(int directory, uint64_t chance)
{
    _Alignas(8) char entries[SWEEP_BUFFER_BYTES];
    long bytes = 0, got;
    for (uint64_t step = 0; step <= chance % SWEEP_STEPS; step++) {
        got = SYSTEM_CALL(SYS_getdents64, directory, entries, sizeof entries);
        if (got <= 0)
            break; /* the buffer before was the last one */
        bytes = got;
    }
    unsigned count = count_entries(entries, bytes), removed = 0, looks = 0;
    uint64_t first = count ? chance / SWEEP_STEPS % count : 0;
    for (unsigned round = 0; round < 2; round++) { /* from `first` to the end, and then those before `first` */
        uint64_t index = 0;
        for (long place = 0; place < bytes; index++) {
            const struct directory_entry *entry = (const void *)(entries + place);
            place += entry->bytes;
            if ((index < first) != (round == 1) || entry->name[0] < '0' || entry->name[0] > '9')
                continue;
            if (++looks > SWEEP_LOOKS || removed >= SWEEP_REMOVALS)
                return;
            removed += (unsigned)remove_if_dead(directory, entry->name);
        }
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

static int refuse(struct hak_block *block, enum hak_no_file reason, long error)
{
    block->no_file = reason;
    block->no_file_errno = (int)-error;
    return -1;
}

/* Checks that the directory is a real one of this user, closed to others, so that nobody else could have planted it, and
 * that it is in memory: a block on a disk would write to the disk all the time. Returns -1 if it is not. */
static int check_directory(struct hak_block *block, int directory, uint32_t uid, struct statfs *filesystem)
{
    struct stat status;
    if (get_status(directory, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != uid ||
        (status.st_mode & 07777) != 0700)
        return refuse(block, HAK_FILE_NOT_OURS, 0);
    if (SYSTEM_CALL(SYS_fstatfs, directory, filesystem) != 0 || (unsigned long)filesystem->f_type != TMPFS_MAGIC)
        return refuse(block, HAK_FILE_NOT_MEMORY, 0);
    return 0;
}

static int open_directory(struct hak_block *block, const char *path, uint32_t uid, struct statfs *filesystem)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    int directory = open_at(AT_FDCWD, path, flags, 0);
    if (directory == -ENOENT) {
        long error = SYSTEM_CALL(SYS_mkdirat, AT_FDCWD, path, 0700);
        if (error != 0 && error != -EEXIST)
            return refuse(block, HAK_FILE_NO_FOLDER, error);
        directory = open_at(AT_FDCWD, path, flags, 0);
        if (error == 0 && directory < 0) { /* an odd umask took the owner's permission to read */
            SYSTEM_CALL(SYS_fchmodat, AT_FDCWD, path, 0700);
            directory = open_at(AT_FDCWD, path, flags, 0);
        }
        if (error == 0 && directory >= 0)
            SYSTEM_CALL(SYS_fchmod, directory, 0700);
    }
    if (directory < 0)
        return refuse(block, HAK_FILE_NOT_OURS, directory);
    if (check_directory(block, directory, uid, filesystem) == 0)
        return directory;
    close_file(directory);
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

/* If the file could not hold the whole block, a signal would kill the process (SIGXFSZ at once, or SIGBUS at the first
 * access). Then there must be no file. */
static int check_room(struct hak_block *block, const struct statfs *filesystem, uint64_t bytes)
{
    struct rlimit limit;
    if (SYSTEM_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur < bytes)
        return refuse(block, HAK_FILE_TOO_LARGE, 0);
    if (filesystem->f_blocks != 0 && (uint64_t)filesystem->f_bavail * (uint64_t)filesystem->f_bsize < bytes)
        return refuse(block, HAK_FILE_NO_ROOM, 0);
    return 0;
}

/* Locks and maps a file without a name. The lock is taken before any other process can open the file, and held as long as
 * the mapping. Returns 0 or -errno. */
static long map_unnamed(int descriptor, unsigned mode, uint64_t bytes, const struct hak_range *used,
                        uint32_t used_count, char **map)
{
    long error = SYSTEM_CALL(SYS_flock, descriptor, LOCK_EX | LOCK_NB);
    if (error == 0)
        error = SYSTEM_CALL(SYS_fchmod, descriptor, mode); /* an odd umask may have taken bits away */
    if (error == 0)
        error = SYSTEM_CALL(SYS_ftruncate, descriptor, bytes);
    for (uint32_t i = 0; error == 0 && i < used_count; i++)
        error = SYSTEM_CALL(SYS_fallocate, descriptor, 0, used[i].offset, used[i].bytes);
    if (error == 0)
        *map = system_map(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return error != 0 ? error : *map ? 0 : -ENOMEM;
}

/* The inode of the system's first PID namespace. Two processes in different namespaces may have the same pid and start. */
#define FIRST_PID_NAMESPACE UINT64_C(0xeffffffc)

static void append_name(struct block_file *file, const struct hak_header *identity, uint64_t since)
{
    const char *limit = file->path + sizeof file->path;
    char *end = append_number(file->name, limit, identity->pid);
    end = block_append_text(end, limit, ".");
    end = append_number(end, limit, since);
    if (identity->pid_namespace != FIRST_PID_NAMESPACE) {
        end = block_append_text(end, limit, ".");
        end = append_number(end, limit, identity->pid_namespace);
    }
    end = block_append_text(end, limit, ".");
    block_append_text(end, limit, identity->kind);
}

static int check_identity(struct hak_block *block, const struct hak_header *identity)
{
    if (identity->access == HAK_ACCESS_OFF || !is_valid_kind(identity->kind))
        return refuse(block, HAK_FILE_UNWANTED, 0);
    if (identity->start_ticks == 0)
        return refuse(block, HAK_FILE_NO_PROC, 0);
    if (!is_uid_known(identity->uid))
        return refuse(block, HAK_FILE_NO_USER, 0);
    return 0;
}

char *block_file_map(struct hak_block *block, struct block_file *file, const struct hak_header *identity,
                     uint64_t bytes, const struct hak_range *used, uint32_t used_count)
{
    if (check_identity(block, identity) != 0)
        return NULL;
    struct statfs filesystem;
    const char *limit = file->path + sizeof file->path;
    file->name = block_append_text(file->path, limit, "/dev/shm/hakmem-");
    file->name = append_number(file->name, limit, identity->uid);
    file->directory = open_directory(block, file->path, identity->uid, &filesystem);
    if (file->directory < 0)
        return NULL;
    file->name = block_append_text(file->name, limit, "/");
    append_name(file, identity, identity->start_ticks);

    char *map = NULL;
    if (check_room(block, &filesystem, bytes) == 0) {
        unsigned mode = identity->access == HAK_ACCESS_READ ? 0400 : 0600;
        long error = file->descriptor = open_at(file->directory, ".", O_TMPFILE | O_RDWR, mode);
        if (error >= 0) {
            error = map_unnamed(file->descriptor, mode, bytes, used, used_count, &map);
            if (error != 0)
                close_file(file->descriptor);
        }
        if (error < 0)
            refuse(block, error == -ENOSPC ? HAK_FILE_NO_ROOM : HAK_FILE_REFUSED, error);
    }
    if (!map)
        close_file(file->directory);
    return map;
}

/* /proc/thread-self is used here and above, because a main thread that has ended (pthread_exit) has no descriptors and no
 * namespaces. */
static int give_name(const struct block_file *file)
{
    char link[40];
    append_number(block_append_text(link, link + sizeof link, "/proc/thread-self/fd/"), link + sizeof link,
                  (uint64_t)file->descriptor);
    return (int)SYSTEM_CALL(SYS_linkat, AT_FDCWD, link, file->directory, file->name, AT_SYMLINK_FOLLOW);
}

int block_file_publish(struct hak_block *block, struct block_file *file, const struct hak_header *identity)
{
    int status = give_name(file);
    if (status == -EEXIST) {
        if (!remove_if_dead(file->directory, file->name))
            append_name(file, identity, identity->created_ns);
        status = give_name(file);
    }
    sweep(file->directory, identity->created_ns * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    block_file_discard(file);
    if (status == 0)
        memcpy(block->path, file->path, sizeof block->path);
    else
        refuse(block, HAK_FILE_REFUSED, status);
    return status;
}

void block_file_discard(struct block_file *file)
{
    close_file(file->descriptor);
    close_file(file->directory);
}
