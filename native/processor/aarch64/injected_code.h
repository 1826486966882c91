/* injected_code.h for 64-bit ARM, where nobody wrote the instructions yet: `workbench inject` refuses. The slots are those of
 * x86-64. */
#ifndef HAK_INJECTED_CODE_H
#define HAK_INJECTED_CODE_H

__asm__(".pushsection .rodata\n"
        ".balign 8\n"
        "injected_code:\n"
        "injected_slots: .fill 10, 8, 0\n" /* struct slots */
        "injected_names:\n"
        ".popsection\n");

#endif
