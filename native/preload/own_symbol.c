/* own_symbol.c: compares a function's address with the library's, and looks at its symbol. */
#include "own_symbol.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>

/* The linker defines these symbols at the first byte of this library and behind its last. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool is_linkage_entry(void *function)
{
    Dl_info info;
    void *symbol = 0;
    if (!dladdr1(function, &info, &symbol, RTLD_DL_SYMENT) || !symbol)
        return false;
    return ((const ElfW(Sym) *)symbol)->st_shndx == SHN_UNDEF;
}

bool is_own_symbol(void *function)
{
    return (uintptr_t)function - (uintptr_t)__ehdr_start < (uintptr_t)(_end - __ehdr_start) || is_linkage_entry(function);
}
