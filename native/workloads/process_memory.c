/* process_memory.c: reads VmHWM of /proc/self/status. The maximum of getrusage survives exec, so it could be that
 * of the interpreter that started this process. */
#include "process_memory.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t process_peak_resident_bytes(void)
{
    static const char key[] = "VmHWM:";
    char text[4096];
    int descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t length = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *line = strstr(text, key);
    return line == NULL ? 0 : strtoull(line + sizeof key - 1, NULL, 10) * 1024;
}

/* Reads fields 2 and 3 of statm, in pages, which takes a tenth of the time that status takes. */
uint64_t process_anonymous_bytes(void)
{
    char text[256], *at = text;
    int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t length = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    strtoull(at, &at, 10);
    uint64_t resident = strtoull(at, &at, 10), shared = strtoull(at, &at, 10);
    return resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
