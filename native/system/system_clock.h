/* system_clock.h: clocks, read without a wrapper of the C library in between, and as a rule without a system call.
 *
 * The kernel maps a small library into every process (the vDSO); its clock function reads the time from a shared
 * page. It is looked up once. Where there is none (valgrind), the system is called. */
#ifndef HAK_SYSTEM_CLOCK_H
#define HAK_SYSTEM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Finds the function. Safe to call again and from several threads; before it, the system is called. */
void system_clock_start(void);
uint64_t system_clock_ns(clockid_t clock);
/* CLOCK_MONOTONIC_COARSE without a system call: without a vDSO, the time when it was last read. */
uint64_t system_clock_coarse_ns(void);

#endif
