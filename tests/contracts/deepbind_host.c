/* deepbind_host.c: a program that opens a library with RTLD_DEEPBIND, and exchanges blocks with it.
 * usage: deepbind_host dlopen|dlmopen|twice LIBRARY
 * Prints whether the library's malloc is the program's. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_library(const char *how, const char *path)
{
    if (strcmp(how, "dlmopen") == 0)
        return dlmopen(LM_ID_BASE, path, RTLD_NOW | RTLD_DEEPBIND);
    void *library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    if (strcmp(how, "twice") == 0 && dlopen(path, RTLD_NOW | RTLD_DEEPBIND | RTLD_NOLOAD) != library)
        return NULL;
    return library;
}

int main(int count, char **words)
{
    void *library = count == 3 ? open_library(words[1], words[2]) : NULL;
    if (!library) {
        fprintf(stderr, "deepbind_host: %s\n", dlerror());
        return 2;
    }
    void *(*own_malloc)(void) = (void *(*)(void))dlsym(library, "library_malloc");
    char *(*give)(void) = (char *(*)(void))dlsym(library, "library_give");
    void (*take)(void *) = (void (*)(void *))dlsym(library, "library_take");
    int (*use)(void) = (int (*)(void))dlsym(library, "library_use");
    printf("%s\n", own_malloc() == dlsym(RTLD_DEFAULT, "malloc") ? "the same malloc" : "another malloc");
    fflush(stdout);
    char *text = give();
    if (strcmp(text, "given") != 0)
        return 3;
    free(realloc(text, 100000));
    take(malloc(100));
    if (dlopen("no such library", RTLD_NOW | RTLD_DEEPBIND) || !strstr(dlerror(), "no such library"))
        return 4;
    return use();
}
