/* spool_files.c: makes the spool's files. */
#include "spool_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PATH_BYTES (sizeof ((struct recording *)0)->stem + 32)

/* The folder is kept for forked children, because the program may change its environment. */
static char folder[400];
static _Atomic bool is_searched;

static int open_file(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static size_t read_file(const char *path, char *out, size_t capacity)
{
    size_t length = 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return 0;
    long got;
    while (length < capacity && (got = syscall(SYS_read, file, out + length, capacity - length)) > 0)
        length += (size_t)got;
    syscall(SYS_close, file);
    return length;
}

/* Reads the environment from /proc, because the C library's may not be set up yet. */
static void find_folder(void)
{
    static const char name[] = SPOOL_FOLDER_VARIABLE "=";
    char buffer[4096], word[sizeof name + sizeof folder];
    size_t length = 0;
    if (getauxval(AT_SECURE))
        return; /* a setuid program must not write to a folder that its caller names */
    int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return;
    long got;
    while ((got = syscall(SYS_read, file, buffer, sizeof buffer)) > 0) {
        for (long i = 0; i < got; i++) {
            if (length < sizeof word)
                word[length++] = buffer[i];
            if (buffer[i])
                continue;
            if (length > sizeof name && length - sizeof name < sizeof folder && !word[length - 1] &&
                !memcmp(word, name, sizeof name - 1))
                memcpy(folder, word + sizeof name - 1, length - sizeof name + 1);
            length = 0;
        }
    }
    syscall(SYS_close, file);
}

/* Reports an error to the reader if there is no head, which would otherwise tell it. Nothing is written to standard error,
 * because the program may use that descriptor for anything. */
static void complain(uint32_t error)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/" SPOOL_FAILURES, folder);
    int file = open_file(path, O_RDWR);
    if (file < 0)
        return;
    struct spool_failures *failures = mmap(NULL, sizeof *failures, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (failures == MAP_FAILED)
        return;
    uint32_t none = 0;
    atomic_compare_exchange_strong_explicit(&failures->error, &none, error, memory_order_relaxed, memory_order_relaxed);
    atomic_fetch_add_explicit(&failures->count, 1, memory_order_relaxed);
    munmap(failures, sizeof *failures);
}

/* Makes and maps a file whose bytes are all allocated on the disk. So a full disk is an error here, and not a
 * signal when a byte is stored. */
static void *map_new(const char *path, size_t bytes, uint32_t *error)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < bytes) {
        *error = EFBIG; /* lengthening the file would raise SIGXFSZ */
        return NULL;
    }
    int file = open_file(path, O_RDWR | O_CREAT | O_EXCL);
    if (file < 0) {
        *error = (uint32_t)errno;
        return NULL;
    }
    void *mapped = MAP_FAILED;
    if (!syscall(SYS_fallocate, file, 0, 0L, (long)bytes))
        mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    *error = mapped == MAP_FAILED ? (uint32_t)errno : 0;
    syscall(SYS_close, file);
    if (mapped == MAP_FAILED) {
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        return NULL;
    }
    madvise(mapped, bytes, MADV_DONTFORK);
    return mapped;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void describe(struct spool_head *head)
{
    head->magic = SPOOL_MAGIC;
    head->pid = (uint32_t)getpid();
    head->parent_pid = (uint32_t)getppid();
    head->clock_is_tsc = recording_clock_is_tsc();
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", head->program, sizeof head->program - 1);
    head->program[length > 0 ? length : 0] = 0;
    head->command_bytes = (uint32_t)read_file("/proc/self/cmdline", head->command, sizeof head->command);
    head->start_monotonic_ns = read_clock(CLOCK_MONOTONIC);
    head->start_clock = recording_clock();
    head->start_realtime_ns = read_clock(CLOCK_REALTIME);
}

void spool_files_set_folder(const char *path)
{
    atomic_store(&is_searched, true);
    snprintf(folder, sizeof folder, "%s", path);
}

struct spool_head *spool_files_create(struct recording *state, uint32_t *error)
{
    if (!atomic_exchange(&is_searched, true))
        find_folder();
    if (!folder[0])
        return NULL;
    int length = snprintf(state->stem, sizeof state->stem - 16, "%s/%x-%llx", folder, (unsigned)getpid(),
                          (unsigned long long)state->epoch);
    state->stem_length = (size_t)length;
    char path[PATH_BYTES], hidden[PATH_BYTES];
    snprintf(path, sizeof path, "%s.head", state->stem);
    snprintf(hidden, sizeof hidden, "%s.new", state->stem);
    struct spool_head *head = map_new(hidden, SPOOL_HEAD_BYTES, error);
    if (head) {
        describe(head);
        if (syscall(SYS_renameat, AT_FDCWD, hidden, AT_FDCWD, path)) {
            *error = (uint32_t)errno;
            munmap(head, SPOOL_HEAD_BYTES);
            head = NULL;
        }
    }
    if (!head && *error != ENOENT) /* if the folder is gone, the recording is over */
        complain(*error);
    return head;
}

/* Whether the reader's lock is held. The kernel drops the lock however the reader ends. */
bool spool_files_have_reader(void)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/" SPOOL_READER_LOCK, folder);
    int file = open_file(path, O_RDONLY);
    if (file < 0)
        return true; /* not known, so the recording goes on */
    bool is_held = syscall(SYS_flock, file, LOCK_SH | LOCK_NB) != 0;
    syscall(SYS_close, file);
    return is_held;
}

struct spool_record *spool_files_add_segment(struct recording *state, uint64_t number, uint32_t *error)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s.%08llx", state->stem, (unsigned long long)number);
    struct spool_record *records = map_new(path, SPOOL_SEGMENT_BYTES, error);
    if (records && number > 0) /* not for the first segment, because a small program touches few of its pages */
        madvise(records, SPOOL_SEGMENT_BYTES, MADV_POPULATE_WRITE);
    return records;
}

void spool_files_unmap(struct spool_record *records)
{
    munmap(records, SPOOL_SEGMENT_BYTES);
}

void spool_files_append_maps(struct recording *state, const char *text, size_t bytes)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s.modules", state->stem);
    struct rlimit limit;
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY)
        return; /* a write beyond the limit would end the program by SIGXFSZ */
    int file = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
    if (file < 0)
        return;
    syscall(SYS_write, file, text, bytes);
    syscall(SYS_close, file);
}
