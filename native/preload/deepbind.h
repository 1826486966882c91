/* deepbind.h: what deepbind.c asks of the library that it is part of. */
#ifndef HAK_DEEPBIND_H
#define HAK_DEEPBIND_H

#include <stdbool.h>

/* Is RTLD_DEEPBIND left as it is? Asked once, perhaps before any constructor ran. */
bool deepbind_is_kept(void);

#endif
