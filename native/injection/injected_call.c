/* injected_call.c: injected_call.h. */
#include "injected_call.h"

#include "injected_code.h"

#include <dlfcn.h>
#include <string.h>

struct slots {
    uint64_t next, again, area, dlopen, dlsym, dlerror, errno_location, library, argument, flags;
};
_Static_assert(HAK_INJECTED_AREA_BYTES == 260 * 1024, "the code has the number");

extern const uint8_t injected_code[], injected_slots[], injected_names[];

size_t hak_injected_code(uint8_t *out, size_t capacity, const struct hak_injected_call *call, const char *library,
                         const char *function, const char *argument)
{
    size_t code_bytes = (size_t)(injected_slots - injected_code), names_at = (size_t)(injected_names - injected_code);
    size_t function_bytes = strlen(function) + 1, library_bytes = strlen(library) + 1;
    size_t argument_bytes = strlen(argument) + 1, bytes = names_at + function_bytes + library_bytes + argument_bytes;
    if (bytes > capacity)
        return bytes;
    const struct slots slots = {
        .next = call->next,
        .again = call->next - HAK_INJECTED_ENTRY,
        .area = call->area,
        .dlopen = call->dlopen,
        .dlsym = call->dlsym,
        .dlerror = call->dlerror,
        .errno_location = call->errno_location,
        .library = function_bytes,
        .argument = function_bytes + library_bytes,
        .flags = RTLD_NOW | (call->is_global ? RTLD_GLOBAL : 0),
    };
    memcpy(out, injected_code, code_bytes);
    memcpy(out + code_bytes, &slots, sizeof slots);
    memcpy(out + names_at, function, function_bytes);
    memcpy(out + names_at + function_bytes, library, library_bytes);
    memcpy(out + names_at + function_bytes + library_bytes, argument, argument_bytes);
    return bytes;
}

uint64_t hak_injected_area(const uint8_t *code, size_t bytes)
{
    size_t code_bytes = (size_t)(injected_slots - injected_code);
    struct slots slots;
    if (bytes < code_bytes + sizeof slots || memcmp(code, injected_code, code_bytes) != 0)
        return 0;
    memcpy(&slots, code + code_bytes, sizeof slots);
    return slots.area;
}
