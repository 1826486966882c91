/* cxx_operators.h: C++'s operators new and delete by which all other forms are defined, under their mangled
 * names: nw, na, dl, da are new, new[], delete, delete[]; m is size_t. */
#ifndef HAK_CXX_OPERATORS_H
#define HAK_CXX_OPERATORS_H

#include <stddef.h>

void *_Znwm(size_t bytes);
void *_Znam(size_t bytes);
void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment);
void *_ZnamSt11align_val_t(size_t bytes, size_t alignment);
void _ZdlPv(void *block);
void _ZdaPv(void *block);
void _ZdlPvSt11align_val_t(void *block, size_t alignment);
void _ZdaPvSt11align_val_t(void *block, size_t alignment);

#endif
