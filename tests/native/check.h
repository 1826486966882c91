/* check.h: CHECK, for the programs of this folder: says what is not so, and aborts. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                                 \
        }                                                                                            \
    } while (0)

#endif
