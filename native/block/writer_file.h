/* writer_file.h: where the file of a control block lives, how it is named, locked and made safely, and how
 * files of the dead are removed. Only for writer.c.
 *
 * The directory /dev/shm/hakmem-<uid> is mode 0700. A block appears in it under its final name complete and
 * locked, or not at all: until then its file has no name. hak_block.h says what the lock means. */
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

/* Makes and locks the file of the block that `identity` (access, kind, pid, uid, start_ticks) names, without
 * a name yet, and maps it; the ranges that will be used get their pages at once. NULL: there is to be no file,
 * and block->no_file says why. Else block_file_publish or block_file_discard must follow. */
char *block_file_map(struct hak_block *block, struct block_file *file, const struct hak_header *identity,
                     uint64_t bytes, const struct hak_range *used, uint32_t used_count);
/* Gives the finished block its name, which becomes block->path, and removes a few blocks of dead processes; 0, or -errno and no file is left.
 * An exec keeps pid and start time, so a dead block of the process's earlier image may hold that name: it is
 * replaced. Where a live one does (of another copy of this library), the new one takes another name. */
int block_file_publish(struct hak_block *block, struct block_file *file, const struct hak_header *identity);
void block_file_discard(struct block_file *file);

/* Appends at `end` while there is room before `limit`; returns the new end. */
char *block_append_text(char *end, const char *limit, const char *text);

#endif
