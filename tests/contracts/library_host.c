/* library_host.c: a C program that opens a library, locally, and runs its use_operators.
 * usage: library_host LIBRARY */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **words)
{
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int (*use_operators)(void) = library ? (int (*)(void))dlsym(library, "use_operators") : NULL;
    if (!use_operators) {
        fprintf(stderr, "library_host: %s\n", dlerror());
        return 2;
    }
    return use_operators();
}
