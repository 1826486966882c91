/* deepbind.h: a function that each library with deepbind.c defines. */
#ifndef HAK_DEEPBIND_H
#define HAK_DEEPBIND_H

#include <stdbool.h>

/* Whether dlopen keeps RTLD_DEEPBIND. It is called once, perhaps before any constructor has run. */
bool deepbind_is_kept(void);

#endif
