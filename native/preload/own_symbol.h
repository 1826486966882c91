/* own_symbol.h: tells whether the loader bound a reference of this library to the library itself, or to a definition of the
 * same name that comes earlier in the program's search order. */
#ifndef HAK_OWN_SYMBOL_H
#define HAK_OWN_SYMBOL_H

#include <stdbool.h>

/* `function` is the address to which the loader bound a name that this library defines, too. The definition must be in
 * another source file than the reference, because the compiler may bind a reference within a file. May take the loader's
 * lock if the function is not this library's. */
bool is_own_symbol(void *function);

/* If a program that is not position independent takes a function's address, the loader binds all references to an entry
 * of the program's linkage table, which jumps to the function. Such an entry replaces nothing. Its symbol is an undefined
 * one of the program. */
bool is_linkage_entry(void *function);

#endif
