/* linkage.h: puts the recorder's functions in the place of the allocator's in a program that runs already, and takes them
 * out again.
 *
 * A library that is loaded late replaces nothing by its names: every object of the program (the program's file and its
 * libraries) has its calls bound to addresses that stand in the object's linkage table. So those addresses are changed,
 * each by one aligned store. What the program keeps elsewhere, such as a copied pointer to malloc, stays as it was, and
 * so does a call within one object that goes by no table: those calls are not recorded. */
#ifndef HAK_LINKAGE_H
#define HAK_LINKAGE_H

#include <stdbool.h>

/* Puts them in. Returns NULL, or why that cannot be. Calls nothing of the allocator's after the first change. */
const char *linkage_install(void);

/* The same in objects that were loaded since. Takes the loader's lock. */
void linkage_follow(void);

/* Takes them out. A thread that is in one of them goes on there. */
void linkage_restore(void);

#endif
