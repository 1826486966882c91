/* writer_block.h: a control block in the process that publishes it. */
#ifndef HAK_BLOCK_WRITER_BLOCK_H
#define HAK_BLOCK_WRITER_BLOCK_H

#include "hak_block.h"
#include <stdatomic.h>
#include <stddef.h>

/* A part of the block, or of its DATA. */
struct hak_range {
    uint64_t offset, bytes;
};

/* Why a block has no file. */
enum hak_no_file {
    HAK_FILE_MADE,       /* it has one */
    HAK_FILE_UNWANTED,   /* no other process is to have access */
    HAK_FILE_NO_PROC,    /* /proc does not tell when the process started */
    HAK_FILE_NO_USER,    /* the user namespace has no mapping for the process's user */
    HAK_FILE_NO_FOLDER,  /* the folder cannot be made */
    HAK_FILE_NOT_OURS,   /* the folder belongs to another user, is open to others, or is not a folder */
    HAK_FILE_NOT_MEMORY, /* the folder is not in a tmpfs */
    HAK_FILE_TOO_LARGE,  /* the limit of file sizes is below the block's size */
    HAK_FILE_NO_ROOM,    /* /dev/shm is full */
    HAK_FILE_REFUSED     /* the system refuses for another reason */
};

struct hak_block {
    struct hak_header *header; /* start of the mapping */
    uint64_t bytes;
    char *data;
    struct hak_axis *axes;
    double *requested, *effective; /* the sections; only the functions of writer.h access their words */
    _Atomic uint64_t noted_lapse;  /* lease_until_ns of the lapsed lease that was noticed last; relaxed */
    struct hak_event *events;
    uint32_t tunable_count, event_mask;
    char path[128]; /* of its file; empty if that has no name */
    int is_shared;  /* it consists of a file's pages, so a child of fork would write to the same pages */
    enum hak_no_file no_file;
    int no_file_errno; /* errno of the system call that failed, or 0 */
};

#endif
