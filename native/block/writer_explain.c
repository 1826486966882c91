/* writer_explain.c: tells a person why a control block has no file (writer.h). */
#include "writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *remedy_of_folder(int error)
{
    switch (error) {
    case ENOENT:
        return "/dev/shm does not exist; mount a tmpfs there (mount -t tmpfs tmpfs /dev/shm)";
    case EROFS:
        return "/dev/shm is read-only; remount it (mount -o remount,rw /dev/shm)";
    case ENOSPC:
    case EDQUOT:
        return "/dev/shm is full; remove files there or make it larger";
    case EACCES:
    case EPERM:
        return "we may not write to /dev/shm; let everybody do so (chmod 1777 /dev/shm)";
    default:
        return strerror(error);
    }
}

enum hak_no_file hak_block_explain(const struct hak_block *block, char *text, size_t bytes)
{
    unsigned uid = block->header ? block->header->uid : 0;
    double mib = (double)block->bytes / 1048576;
    switch (block->no_file) {
    case HAK_FILE_MADE:
        snprintf(text, bytes, "%s", "");
        break;
    case HAK_FILE_UNWANTED:
        snprintf(text, bytes, "access to it is off (HAKMEM_CONTROL=off, or a program with more rights than its caller)");
        break;
    case HAK_FILE_NO_PROC:
        snprintf(text, bytes, "/proc does not say when this process started: mount it (mount -t proc proc /proc)");
        break;
    case HAK_FILE_NO_USER:
        snprintf(text, bytes, "this user namespace has no mapping for our user: make one (unshare --map-root-user)");
        break;
    case HAK_FILE_NO_FOLDER:
        snprintf(text, bytes, "the folder /dev/shm/hakmem-%u cannot be made: %s", uid,
                 remedy_of_folder(block->no_file_errno));
        break;
    case HAK_FILE_NOT_OURS:
        snprintf(text, bytes,
                 "/dev/shm/hakmem-%u is not a folder of user %u alone (mode 0700): have it removed by its owner or root",
                 uid, uid);
        break;
    case HAK_FILE_NOT_MEMORY:
        snprintf(text, bytes, "/dev/shm/hakmem-%u is on a disk: mount a tmpfs on /dev/shm", uid);
        break;
    case HAK_FILE_TOO_LARGE:
        snprintf(text, bytes,
                 "the limit of file sizes (ulimit -f) is below the %.1f MiB that /dev/shm/hakmem-%u may have to hold:"
                 " raise it", mib, uid);
        break;
    case HAK_FILE_NO_ROOM:
        snprintf(text, bytes,
                 "/dev/shm/hakmem-%u has no room for the %.1f MiB that it may take: remove files in /dev/shm or make"
                 " it larger (mount -o remount,size=64m /dev/shm)", uid, mib);
        break;
    case HAK_FILE_REFUSED:
        snprintf(text, bytes, "the system refuses to make a file in /dev/shm/hakmem-%u: %s", uid,
                 remedy_of_folder(block->no_file_errno));
        break;
    }
    return block->no_file;
}
