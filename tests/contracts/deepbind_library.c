/* deepbind_library.c: the library of deepbind_host.c. Opens another that lies beside it, by its name alone: the
 * loader finds that one only where it knows who asks for it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *library_malloc(void)
{
    return (void *)malloc;
}

char *library_give(void)
{
    return strcpy(malloc(100), "given"); /* not strdup: the C library's own calls are not bound by the flag */
}

void library_take(void *block)
{
    free(block);
}

int library_use(void)
{
    char *text;
    if (asprintf(&text, "%d", 42) != 2)
        return 5;
    free(text);
    return dlopen("beside.so", RTLD_NOW | RTLD_DEEPBIND) && dlopen("beside.so", RTLD_NOW | RTLD_NOLOAD) ? 0 : 6;
}
