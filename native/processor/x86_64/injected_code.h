/* injected_code.h: the instructions of injected_call.h, and behind them the slots that are filled for each call. The folder
 * aarch64 has the same for 64-bit ARM. */
#ifndef HAK_INJECTED_CODE_H
#define HAK_INJECTED_CODE_H

/* A template, read and never executed here. rbx: the thread's stack. r12: the area. r13, r14: errno's place and value.
 * rbp: the state that the result will have. */
#define PUSH_ALL                                                                                                     \
    "  pushfq\n  cld\n  push %rax\n  push %rbx\n  push %rcx\n  push %rdx\n  push %rsi\n  push %rdi\n  push %rbp\n"      \
    "  push %r8\n  push %r9\n  push %r10\n  push %r11\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
/* With what was left alone below the stack (128 bytes) and the mark. */
#define POP_ALL                                                                                                      \
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %r11\n  pop %r10\n  pop %r9\n  pop %r8\n"                    \
    "  pop %rbp\n  pop %rdi\n  pop %rsi\n  pop %rdx\n  pop %rcx\n  pop %rbx\n  pop %rax\n  popfq\n"                     \
    "  lea 136(%rsp), %rsp\n"
#define MARK "128(%rsp)" /* above the 16 words of PUSH_ALL: whether a system call is to be repeated */

__asm__(".pushsection .rodata\n"
        "injected_code:\n"
        "  jmp 1f\n" /* 2 bytes: HAK_INJECTED_ENTRY */
        "  lea -128(%rsp), %rsp\n  pushq $0\n  jmp 2f\n"
        "1:\n  lea -128(%rsp), %rsp\n  pushq $1\n"
        "2:\n" PUSH_ALL
        "  mov %rsp, %rbx\n"
        /* mmap(area, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) */
        "  mov injected_area(%rip), %r12\n"
        "  mov $9, %eax\n  mov %r12, %rdi\n  mov $260 * 1024, %esi\n  mov $3, %edx\n  mov $0x100022, %r10d\n"
        "  mov $-1, %r8\n  xor %r9d, %r9d\n  syscall\n"
        "  cmp %r12, %rax\n  jne 6f\n"
        "  movq $1, (%r12)\n"
        "  lea 260 * 1024(%r12), %rsp\n"
        "  mov $-1, %eax\n  mov $-1, %edx\n  xsave64 4096(%r12)\n"
        "  call *injected_errno_location(%rip)\n"
        "  mov %rax, %r13\n  mov (%rax), %r14d\n"
        /* function = dlsym(RTLD_DEFAULT, name), or that of the library */
        "  xor %edi, %edi\n  lea injected_names(%rip), %rsi\n  call *injected_dlsym(%rip)\n"
        "  test %rax, %rax\n  jnz 3f\n"
        "  lea injected_names(%rip), %rdi\n  add injected_library(%rip), %rdi\n"
        "  mov injected_flags(%rip), %esi\n  call *injected_dlopen(%rip)\n"
        "  test %rax, %rax\n  jz 4f\n"
        "  mov %rax, %rdi\n  lea injected_names(%rip), %rsi\n  call *injected_dlsym(%rip)\n"
        "  test %rax, %rax\n  jz 4f\n"
        "3:\n  lea injected_names(%rip), %rdi\n  add injected_argument(%rip), %rdi\n"
        "  mov $3, %ebp\n  call *%rax\n  jmp 5f\n"
        "4:\n  mov $2, %ebp\n  call *injected_dlerror(%rip)\n"
        "5:\n  mov %rax, 8(%r12)\n"
        "  mov %r14d, (%r13)\n"
        "  mov $-1, %eax\n  mov $-1, %edx\n  xrstor64 4096(%r12)\n"
        "  mov %rbx, %rsp\n"
        "  mov %rbp, (%r12)\n"
        "  mov $11, %eax\n  lea 4096(%r12), %rdi\n  mov $256 * 1024, %esi\n  syscall\n" /* munmap, but for the result */
        "6:\n  cmpq $0, " MARK "\n  jne 7f\n"
        POP_ALL "  jmp *injected_next(%rip)\n"
        "7:\n"
        POP_ALL "  jmp *injected_again(%rip)\n"
        "  .balign 8\n"
        "injected_slots:\n" /* struct slots */
        "injected_next: .quad 0\n"
        "injected_again: .quad 0\n"
        "injected_area: .quad 0\n"
        "injected_dlopen: .quad 0\n"
        "injected_dlsym: .quad 0\n"
        "injected_dlerror: .quad 0\n"
        "injected_errno_location: .quad 0\n"
        "injected_library: .quad 0\n"
        "injected_argument: .quad 0\n"
        "injected_flags: .quad 0\n"
        "injected_names:\n" /* the function's, the library's, then the argument */
        ".popsection\n");

#endif
