/* workload_random.h: random numbers whose state the caller keeps. */
#ifndef HAK_WORKLOAD_RANDOM_H
#define HAK_WORKLOAD_RANDOM_H

#include <stdint.h>

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). */
static inline uint64_t workload_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/* Turns 32 random bits into a number below `bound`, without a division. */
static inline uint32_t workload_below(uint32_t bits, uint32_t bound)
{
    return (uint32_t)(((uint64_t)bits * bound) >> 32);
}

/* For loops of a few instructions: a generator that needs one multiplication, and whose state the loop keeps in a
 * register (Knuth's MMIX; L'Ecuyer: Tables of Linear Congruential Generators, 1999). It returns the high
 * bits of the state, which are more random than the low ones. */
static inline uint32_t workload_draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(*state >> 32);
}

#endif
