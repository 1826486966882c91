/* own_symbol.h: whether the loader bound a reference of this library's to the library itself, or to who defines the
 * same name before it in the program's order of search. */
#ifndef HAK_OWN_SYMBOL_H
#define HAK_OWN_SYMBOL_H

#include <stdbool.h>

/* `function`: what the loader left for a name that this library defines too, in another file than the one that asks:
 * else the compiler binds it. May take the loader's lock if it is not ours. */
bool is_own_symbol(void *function);

/* A program that is not position independent and takes a function's address has all of us find an entry of its
 * linkage table, which jumps to the function: that replaces nothing. Its symbol is the program's, undefined. */
bool is_linkage_entry(void *function);

#endif
