/* injected_call.h: machine code that lets a thread of another process load a library and call a function of it.
 *
 * A debugger that stopped the thread copies the code to a place of the process that may be executed, sets the thread's
 * instruction pointer, and lets go: the code needs nobody afterwards. It leaves registers, flags, stack, vector state and
 * errno as it found them, works on a stack of its own, and then has the thread go on where it was. So it is one store that
 * begins the call, and a debugger that is killed at any moment leaves a whole program.
 *
 * What the code calls is a constructor, and what `function` calls: both run in the middle of whatever the thread did.
 * Who injects sees to it that the thread holds no lock of the loader's or the allocator's. */
#ifndef HAK_INJECTED_CALL_H
#define HAK_INJECTED_CALL_H

#include <stddef.h>
#include <stdint.h>

/* Addresses in the other process. */
struct hak_injected_call {
    uint64_t next;           /* the instruction at which the thread was stopped */
    uint64_t area;           /* HAK_INJECTED_AREA_BYTES that are free, aligned to a page: the code maps them */
    uint64_t dlopen, dlsym, dlerror, errno_location; /* functions of the C library */
    int is_global;           /* whether libraries that are loaded later find the library's names */
};

/* What remains at `area`: one page that begins with this. The text is written before the state. */
struct hak_injected_result {
    uint64_t state; /* enum hak_injected_state */
    uint64_t text;  /* address of what the function returned, or of the loader's error */
};
enum hak_injected_state { HAK_INJECTED_BEGUN = 1, HAK_INJECTED_NOT_LOADED, HAK_INJECTED_DONE };

/* The thread begins HAK_INJECTED_ENTRY bytes behind the start of the code, wherever it was stopped. In a system call that
 * is to be repeated, the kernel sets the pointer back by the length of the call's instruction, which is as many bytes:
 * then the thread comes in at the start, and the code repeats the call when it is done. */
enum { HAK_INJECTED_AREA_BYTES = 260 * 1024, HAK_INJECTED_ENTRY = 2 };

/* Writes the code: `library`, an absolute path, is loaded, and `function` of it is called as
 * const char *function(const char *argument). If the process has a function of that name already, that one is called.
 * Returns how many bytes the code has; nothing is written if that is more than `capacity`. */
size_t hak_injected_code(uint8_t *out, size_t capacity, const struct hak_injected_call *call, const char *library,
                         const char *function, const char *argument);

/* If a call's code begins here, the area of that call; else 0. So the place of a call that is over can be used again. */
uint64_t hak_injected_area(const uint8_t *code, size_t bytes);

#endif
