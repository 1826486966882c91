/* writer_group.h: the settings of a group of processes. A process that starts in a group begins with them.
 *
 * The variable WORKBENCH_GROUP names a file, and children inherit it. A process that sets a tunable of the group writes
 * the file anew; each line is NAME=NUMBER. The settings hold for processes that start afterwards.
 *
 * No function here allocates, or makes system calls by functions of the C library. */
#ifndef HAK_WRITER_GROUP_H
#define HAK_WRITER_GROUP_H

#define HAK_GROUP_VARIABLE "WORKBENCH_GROUP"

/* Calls `take` for each item of /proc/self/environ, because the C library's `environ` may not be set up yet. An item of
 * more than 511 bytes is left out. */
void hak_read_environment(void (*take)(void *context, const char *item), void *context);

/* Calls `take` for each line of the group's file. Does nothing if the file is missing, belongs to another user, is writable
 * for others, or is a link. A privileged process must not call it, because its caller sets the variable. */
void hak_read_group(const char *path, void (*take)(void *context, const char *line), void *context);

#endif
