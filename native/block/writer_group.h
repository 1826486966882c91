/* writer_group.h: the settings of a group of processes. A process that starts in a group begins with them.
 *
 * The variable WORKBENCH_GROUP names a file, and children inherit it. Whoever sets a tunable of the group writes
 * the file anew; each line is NAME=NUMBER. It holds for the processes that start afterwards.
 *
 * Nothing here allocates, or goes through a function of the C library that calls the system. */
#ifndef HAK_WRITER_GROUP_H
#define HAK_WRITER_GROUP_H

#define HAK_GROUP_VARIABLE "WORKBENCH_GROUP"

/* Hands each item of /proc/self/environ on, as the kernel keeps it: libc's `environ` may not be set up yet. An item
 * of more than 511 bytes is left out. */
void hak_read_environment(void (*take)(void *context, const char *item), void *context);

/* Hands each line of the group's file on. Does nothing if the file is missing, another user's, writable for others,
 * or a link. Not for a privileged process: the variable is its caller's. */
void hak_read_group(const char *path, void (*take)(void *context, const char *line), void *context);

#endif
