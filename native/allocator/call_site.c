/* call_site.c: the module of a return address. */
#include "call_site.h"

#include <dlfcn.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE /* this glibc declares _dl_find_object */
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));
#endif

uint64_t call_site_id(void *return_address)
{
    uint64_t address = (uint64_t)(uintptr_t)return_address;
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object module;
    if (_dl_find_object && _dl_find_object(return_address, &module) == 0)
        return address - (uint64_t)(uintptr_t)module.dlfo_map_start;
#endif
    return address;
}
