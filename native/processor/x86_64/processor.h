/* processor.h for x86-64: what depends on the instruction set. The folder aarch64 has the same for 64-bit ARM. */
#ifndef HAK_PROCESSOR_H
#define HAK_PROCESSOR_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* Addresses that the system gives a program lie below 2^this, unless it asks for higher ones. */
#define PROCESSOR_ADDRESS_BITS 47
/* The C library's first version on this architecture, which names its oldest symbols. */
#define PROCESSOR_FIRST_GLIBC "GLIBC_2.2.5"

/* Entries of an object's linkage table (elf.h): of a function that is called, of one whose address is taken, and of a
 * pointer among the object's data. */
#define PROCESSOR_RELOCATION_SLOT R_X86_64_JUMP_SLOT
#define PROCESSOR_RELOCATION_TABLE R_X86_64_GLOB_DAT
#define PROCESSOR_RELOCATION_POINTER R_X86_64_64

/* e_machine of ELF, and the DWARF number of the stack pointer. */
#define PROCESSOR_ELF_MACHINE 62 /* EM_X86_64 */
#define PROCESSOR_STACK_REGISTER 7

/* Stores the registers that a function keeps for its caller, the stack pointer, and the program counter, by their DWARF
 * numbers. `registers` has room for 33. */
static inline __attribute__((always_inline)) void processor_get_registers(uint64_t *registers)
{
    uint64_t counter;
    __asm__ volatile("movq %%rbx, 3*8(%1)\n\tmovq %%rbp, 6*8(%1)\n\tmovq %%rsp, 7*8(%1)\n\t"
                     "movq %%r12, 12*8(%1)\n\tmovq %%r13, 13*8(%1)\n\tmovq %%r14, 14*8(%1)\n\tmovq %%r15, 15*8(%1)\n\t"
                     "leaq 0(%%rip), %0\n\tmovq %0, 16*8(%1)"
                     : "=&r"(counter)
                     : "r"(registers)
                     : "memory");
}

/* In a loop that waits for another thread. */
static inline void processor_pause(void)
{
    __builtin_ia32_pause();
}

/* The time stamp counter. */
static inline uint64_t processor_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* Whether it runs at one rate on all processors and in their sleep. */
static inline bool processor_ticks_are_steady(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8));
}

/* The same counter around a piece of code: the fences keep the code between the two readings. */
static inline uint64_t processor_ticks_before(void)
{
    __builtin_ia32_lfence();
    uint64_t ticks = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    return ticks;
}
static inline uint64_t processor_ticks_after(void)
{
    unsigned processor;
    uint64_t ticks = __builtin_ia32_rdtscp(&processor);
    __builtin_ia32_lfence();
    return ticks;
}

/* What the kernel returns: a result, or -errno. */
static inline long processor_system_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
