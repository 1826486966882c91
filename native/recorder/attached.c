/* attached.c: what `workbench record --pid` calls in a program that runs already, on one of its threads. */
#include "linkage.h"
#include "recording.h"

#include <errno.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *hak_record_start(const char *folder);
EXPORT const char *hak_record_stop(const char *unused);

/* Both return an empty text, or why it cannot be. */
const char *hak_record_start(const char *folder)
{
    int error = recording_start_in(folder);
    if (error)
        return error == EBUSY ? "its calls are being recorded already" : strerror(error);
    const char *why = linkage_install();
    if (why)
        recording_stop();
    return why ? why : "";
}

const char *hak_record_stop(const char *unused)
{
    (void)unused;
    linkage_restore();
    recording_stop();
    return "";
}
