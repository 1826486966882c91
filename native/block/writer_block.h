/* writer_block.h: a control block as the process that publishes it has it. */
#ifndef HAK_BLOCK_WRITER_BLOCK_H
#define HAK_BLOCK_WRITER_BLOCK_H

#include "hak_block.h"
#include <stddef.h>

/* A part of the block, or of its DATA: bytes from an offset on. */
struct hak_range {
    uint64_t offset, bytes;
};

/* Why a block has no file. */
enum hak_no_file {
    HAK_FILE_MADE,       /* it has one */
    HAK_FILE_UNWANTED,   /* nobody is to have access */
    HAK_FILE_NO_PROC,    /* /proc does not say who the process is */
    HAK_FILE_NO_USER,    /* a user namespace without a mapping for us */
    HAK_FILE_NO_FOLDER,  /* the folder cannot be made */
    HAK_FILE_NOT_OURS,   /* the folder is another user's, open to others, or no folder */
    HAK_FILE_NOT_MEMORY, /* it is not in a tmpfs */
    HAK_FILE_TOO_LARGE,  /* the process may not write so large files */
    HAK_FILE_NO_ROOM,    /* /dev/shm is full */
    HAK_FILE_REFUSED     /* the system refuses for another reason */
};

struct hak_block {
    struct hak_header *header; /* start of the mapping */
    uint64_t bytes;
    char *data;
    struct hak_axis *axes;
    double *requested, *effective; /* the sections; access words through the functions below */
    struct hak_event *events;
    uint32_t tunable_count, event_mask;
    char path[128]; /* empty: nobody finds it */
    int is_shared;  /* a file's pages, even if it got no name: a child of fork would write the same */
    enum hak_no_file no_file;
    int no_file_errno; /* what the system answered; 0: nothing to tell */
};

#endif
