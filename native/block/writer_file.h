/* writer_file.h: makes, names and locks the file of a control block, and removes files of dead processes. Only writer*.c
 * uses it.
 *
 * The directory /dev/shm/hakmem-<uid> has mode 0700. The file of a block has no name until it is complete and locked; only
 * then it gets its final name. hak_block.h says what the lock means. */
#ifndef HAK_BLOCK_WRITER_FILE_H
#define HAK_BLOCK_WRITER_FILE_H

#include "writer_block.h"

struct block_file {
    int directory, descriptor; /* open while the block is being made */
    char path[128];            /* directory and final name */
    char *name;                /* the final name, within path */
};

/* pid, uid, start_ticks, created_ns and namespaces of the calling process; start_ticks is 0 without /proc. */
void block_file_identify(struct hak_header *header);
void block_file_read_command(char *command, size_t bytes);

/* Makes, locks and maps the file of the block, which has no name yet. `identity` has access, kind, pid, uid and
 * start_ticks. The `used` ranges get their pages at once. Returns NULL if there is to be no file; block->no_file says
 * why. Otherwise block_file_publish or block_file_discard must follow. */
char *block_file_map(struct hak_block *block, struct block_file *file, const struct hak_header *identity,
                     uint64_t bytes, const struct hak_range *used, uint32_t used_count);
/* Gives the finished block its name, which becomes block->path, and removes a few blocks of dead processes. Returns 0, or
 * -errno, and then no file is left. exec keeps pid and start time, so a dead block of the process's earlier image may have
 * that name; the new block replaces it. If a live block of another copy of this library has it, the new block takes
 * another name. */
int block_file_publish(struct hak_block *block, struct block_file *file, const struct hak_header *identity);
void block_file_discard(struct block_file *file);

/* Appends at `end` while there is room before `limit`; returns the new end. */
char *block_append_text(char *end, const char *limit, const char *text);

#endif
