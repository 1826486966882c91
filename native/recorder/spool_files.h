/* spool_files.h: makes the spool's files: head, segments, copies of the maps. Its system calls are no
 * cancellation points. */
#ifndef HAK_SPOOL_FILES_H
#define HAK_SPOOL_FILES_H

#include "recording_state.h"

/* Makes the head. If it returns NULL, *error is the errno, and stays as it was if the program is not recorded. */
struct spool_head *spool_files_create(struct recording *state, uint32_t *error);
/* Names the folder, in place of the one that the environment names. */
void spool_files_set_folder(const char *path);
bool spool_files_have_reader(void);
/* If it returns NULL, *error is the errno. */
struct spool_record *spool_files_add_segment(struct recording *state, uint64_t number, uint32_t *error);
void spool_files_unmap(struct spool_record *records);
void spool_files_append_maps(struct recording *state, const char *text, size_t bytes);

#endif
