/* allocator_identity.c: finds the library of malloc, and the version of the allocator by a function that only that
 * allocator has. */
#include "allocator_identity.h"
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>

typedef int mallctl_function(const char *name, void *old_value, size_t *old_bytes, void *new_value,
                             size_t new_bytes);
typedef const char *tc_version_function(int *major, int *minor, const char **patch);
typedef int mi_version_function(void);

/* By POSIX, dlsym's result may be a function, but ISO C has no such cast. */
#define FIND(function, symbol)                                                                         \
    do {                                                                                               \
        void *address = dlsym(RTLD_DEFAULT, symbol);                                                   \
        memcpy(&(function), &address, sizeof address);                                                 \
    } while (0)

/* In mimalloc 2, 209 means 2.0.9; from 3.2 on, 30403 means 3.4.3. */
static void format_mimalloc(char *out, size_t bytes, int version)
{
    if (version >= 10000)
        snprintf(out, bytes, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    else
        snprintf(out, bytes, "%d.%d.%d", version / 100, version / 10 % 10, version % 10);
}

void allocator_identify(struct allocator_identity *identity)
{
    mallctl_function *mallctl;
    tc_version_function *tc_version;
    mi_version_function *mi_version;
    Dl_info place;
    void *serving = dlsym(RTLD_DEFAULT, "malloc");
    memset(identity, 0, sizeof *identity);
    identity->library = serving != NULL && dladdr(serving, &place) != 0 ? place.dli_fname : "";
    FIND(mallctl, "mallctl");
    FIND(tc_version, "tc_version");
    FIND(mi_version, "mi_version");
    if (mallctl != NULL) {
        const char *version = "";
        size_t bytes = sizeof version;
        if (mallctl("version", &version, &bytes, NULL, 0) == 0)
            /* The commit in "5.3.0-0-g54eaed1d…" is left out. */
            snprintf(identity->version, sizeof identity->version, "%.*s", (int)strcspn(version, "-"), version);
    } else if (tc_version != NULL) {
        int major = 0, minor = 0;
        const char *patch = "";
        tc_version(&major, &minor, &patch);
        snprintf(identity->version, sizeof identity->version, "%d.%d%s", major, minor, patch);
    } else if (mi_version != NULL) {
        format_mimalloc(identity->version, sizeof identity->version, mi_version());
    } else if (strstr(identity->library, "/libc.so") != NULL) {
        snprintf(identity->version, sizeof identity->version, "%s", gnu_get_libc_version());
    }
}
