/* find.h: which object of the process serves malloc, and where the functions of allocators are. */
#ifndef HAK_AGENT_FIND_H
#define HAK_AGENT_FIND_H

#include <stdbool.h>
#include <string.h>

/* POSIX says that a symbol may be a function; ISO C has no such cast. */
#define FIND_FUNCTION(function, name)                                                                                 \
    do {                                                                                                              \
        void *address = find_symbol(name);                                                                            \
        memcpy(&(function), &address, sizeof address);                                                                \
    } while (0)

/* Whether an address lies in the object that malloc comes from. */
bool find_serves(const void *address);
/* The path of that object; "" if nothing is known of it. */
const char *find_server(void);
/* The symbol as the program's libraries see it; if malloc is the program's own, also a function that the program keeps
 * to itself. NULL: there is none. */
void *find_symbol(const char *name);
/* The same, also where malloc is not the program's: from the symbol table of its file, unless it was stripped. */
void *find_program_symbol(const char *name);
/* Whether malloc is the program's own, and its file has no symbol table. */
bool find_is_stripped(void);

#endif
