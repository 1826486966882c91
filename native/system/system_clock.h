/* system_clock.h: reads clocks without the C library, whose functions may be wrapped, and as a rule without a system call.
 *
 * The kernel maps a small library into every process (the vDSO), whose clock function reads the time from a shared
 * page. The function is looked up once. If there is none (valgrind), a system call reads the clock. */
#ifndef HAK_SYSTEM_CLOCK_H
#define HAK_SYSTEM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Finds the vDSO's function. It may be called again, and by several threads. Until then, system calls read the clock. */
void system_clock_start(void);
uint64_t system_clock_ns(clockid_t clock);
/* Reads CLOCK_MONOTONIC_COARSE without a system call. Without a vDSO, it returns the last time that was read. */
uint64_t system_clock_coarse_ns(void);

#endif
