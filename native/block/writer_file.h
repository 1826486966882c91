/* writer_file.h: where the file of a control block lives, how it is named and made safely. Only for
 * writer.c. The directory /dev/shm/hakmem-<uid> is mode 0700; a block appears in it under its final
 * name <pid>.<start_ticks>.<kind> complete or not at all. */
#ifndef HAK_BLOCK_WRITER_FILE_H
#define HAK_BLOCK_WRITER_FILE_H

#include "hak_block.h"
#include <stddef.h>

enum { BLOCK_NAME_BYTES = 64 };

struct block_file {
    int directory;              /* open while the block is being made */
    char path[128];             /* directory and final name */
    const char *name;           /* the final name, within path */
    char temporary[BLOCK_NAME_BYTES]; /* readers never see it half-made under the final name */
};

/* pid, uid, start_ticks and created_ns of the calling process; start_ticks is 0 without /proc. */
void block_file_identify(struct hak_header *header);
void block_file_read_command(char *command, size_t bytes);

/* Makes the file of the block that `identity` (access, kind, pid, uid, start_ticks) names, under its
 * temporary name, and maps it; the first touched_bytes get their pages at once. NULL: there is to be
 * no file. Else block_file_publish or block_file_discard must follow. */
char *block_file_map(struct block_file *file, const struct hak_header *identity, uint64_t bytes,
                     uint64_t touched_bytes);
/* Gives the finished block its final name; 0, or -1 and no file is left. An exec keeps pid and start
 * time, so a block of the process's earlier image may hold that name: it is replaced. */
int block_file_publish(struct block_file *file);
void block_file_discard(struct block_file *file);

/* Plain system calls, close-on-exec set; libc's are cancellation points. */
int block_system_open(int directory, const char *name, int flags, unsigned mode);
void block_system_close(int descriptor);
/* Appends at `end` while there is room before `limit`; returns the new end. */
char *block_append_text(char *end, const char *limit, const char *text);

#endif
