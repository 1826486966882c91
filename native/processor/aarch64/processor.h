/* processor.h for 64-bit ARM: what depends on the instruction set. The folder x86_64 has the same for x86-64. */
#ifndef HAK_PROCESSOR_H
#define HAK_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Addresses that the system gives a program lie below 2^this, unless it asks for higher ones; with some kernels below
 * 2^39 or 2^42. */
#define PROCESSOR_ADDRESS_BITS 48
/* The C library's first version on this architecture, which names its oldest symbols. */
#define PROCESSOR_FIRST_GLIBC "GLIBC_2.17"

/* Entries of an object's linkage table (elf.h): of a function that is called, of one whose address is taken, and of a
 * pointer among the object's data. */
#define PROCESSOR_RELOCATION_SLOT R_AARCH64_JUMP_SLOT
#define PROCESSOR_RELOCATION_TABLE R_AARCH64_GLOB_DAT
#define PROCESSOR_RELOCATION_POINTER R_AARCH64_ABS64

/* e_machine of ELF, and the DWARF number of the stack pointer. */
#define PROCESSOR_ELF_MACHINE 183 /* EM_AARCH64 */
#define PROCESSOR_STACK_REGISTER 31

/* Stores the registers that a function keeps for its caller, the stack pointer, and the program counter, by their DWARF
 * numbers. `registers` has room for 33. */
static inline __attribute__((always_inline)) void processor_get_registers(uint64_t *registers)
{
    uint64_t scratch;
    __asm__ volatile("stp x19, x20, [%1, #19*8]\n\tstp x21, x22, [%1, #21*8]\n\tstp x23, x24, [%1, #23*8]\n\t"
                     "stp x25, x26, [%1, #25*8]\n\tstp x27, x28, [%1, #27*8]\n\tstp x29, x30, [%1, #29*8]\n\t"
                     "mov %0, sp\n\tstr %0, [%1, #31*8]\n\tadr %0, .\n\tstr %0, [%1, #32*8]"
                     : "=&r"(scratch)
                     : "r"(registers)
                     : "memory");
}

/* In a loop that waits for another thread. `isb` waits some 30 cycles, as `pause` does on x86-64; `yield` does nothing
 * on processors without several threads a core. */
static inline void processor_pause(void)
{
    __asm__ volatile("isb" : : : "memory");
}

/* The system counter, which the kernel lets programs read; its clock is fixed (1 GHz from Armv8.6 on, else less). */
static inline uint64_t processor_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

/* The architecture says so. */
static inline bool processor_ticks_are_steady(void)
{
    return true;
}

/* The same counter around a piece of code: the barriers keep the code between the two readings. */
static inline uint64_t processor_ticks_before(void)
{
    __asm__ volatile("isb" : : : "memory");
    uint64_t ticks = processor_ticks();
    __asm__ volatile("isb" : : : "memory");
    return ticks;
}
static inline uint64_t processor_ticks_after(void)
{
    return processor_ticks_before();
}

/* What the kernel returns: a result, or -errno. */
static inline long processor_system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long call __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = e;
    register long sixth __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory", "cc");
    return first;
}

#endif
