/* hak_samples.h: the layout of a table of sampled allocations. The allocator makes it, other processes read it, and
 * they also unwind the stacks, find names and add up. The table is the DATA of a control block of kind "samples"
 * (hak_block.h), which has neither tunables nor metrics:
 *
 *   DATA   struct hak_samples, HAK_SAMPLES_HEAD_BYTES | slot 0 | slot 1 | ... | piece 0 | piece 1 | ...
 *
 * A slot holds one sample: an allocation at the program, or one that was freed lately. Its stack lies in as many pieces as
 * it needs, in any order; the sample names them. Slots and pieces get pages when they are first used. Freed samples are
 * overwritten from the oldest on.
 *
 * Memory orders:
 *   sequence    by the allocator under its lock: an odd value, a release fence, then the body and its pieces, then the
 *               even value store release. Readers read the sequence, the slot, its pieces and the sequence again, each
 *               by a call of pread with a full fence after it, and leave a slot out that changed meanwhile.
 *   freed_ns    store release, once, while the sequence stays as it is
 *   used        store release, after the slots below it can be read
 *   lost        relaxed
 *
 * The weight of a sample is 1 / p, with p = 1 - exp(-block_bytes / interval_bytes): the chance of a block of that size to be
 * sampled. Sums of weights, or of weights times bytes, are unbiased estimates; (1 - p) / p^2 times the square of what
 * is summed estimates the variance that each sample contributes. */
#ifndef HAK_SAMPLES_H
#define HAK_SAMPLES_H

#include <stdint.h>

#define HAK_SAMPLES_KIND "samples"
#define HAK_SAMPLES_HEAD_BYTES 4096u
#define HAK_SAMPLE_SLOTS 4096u
#define HAK_SAMPLE_SLOT_BYTES 512u
#define HAK_SAMPLE_REGISTERS 33u
#define HAK_SAMPLE_PIECE_BYTES 2048u
#define HAK_SAMPLE_PIECES (5 * HAK_SAMPLE_SLOTS)
#define HAK_SAMPLE_MOST_PIECES 32u /* of one stack */
#define HAK_SAMPLE_STACK_BYTES (HAK_SAMPLE_MOST_PIECES * HAK_SAMPLE_PIECE_BYTES)
#define HAK_SAMPLES_PIECES_OFFSET (HAK_SAMPLES_HEAD_BYTES + HAK_SAMPLE_SLOTS * HAK_SAMPLE_SLOT_BYTES)
#define HAK_SAMPLES_BYTES (HAK_SAMPLES_PIECES_OFFSET + HAK_SAMPLE_PIECES * HAK_SAMPLE_PIECE_BYTES)

struct hak_samples {
    uint32_t slots, slot_bytes;
    _Atomic uint32_t used;  /* slots that were ever used */
    uint32_t processor;     /* e_machine of ELF: what the registers' numbers mean */
    _Atomic uint64_t taken; /* samples so far; the number of the newest */
    _Atomic uint64_t lost;  /* samples for which there was no slot */
};

struct hak_sample {
    _Alignas(64) _Atomic uint64_t sequence; /* twice the number of the sample; odd while the body changes; 0: never used */
    uint64_t address;
    uint64_t requested_bytes; /* what the program asked for */
    uint64_t block_bytes;     /* what the block holds: its class, or whole pages */
    uint64_t interval_bytes;  /* sample.interval_bytes at that time */
    uint64_t born_ns;         /* CLOCK_MONOTONIC */
    _Atomic uint64_t freed_ns; /* 0: the program has the block */
    uint32_t thread;          /* kernel thread id */
    uint32_t stack_bytes;     /* how much of the stack was copied, from the stack pointer up */
    /* By their DWARF numbers, in the function that took the sample: those that a function keeps for its caller, the stack
     * pointer, and the program counter (the return address column). The others are 0. */
    uint64_t registers[HAK_SAMPLE_REGISTERS];
    uint16_t pieces[HAK_SAMPLE_MOST_PIECES]; /* where the copy is: all of them are full but the last */
};

_Static_assert(sizeof(struct hak_samples) <= HAK_SAMPLES_HEAD_BYTES, "the head fits its page");
_Static_assert(sizeof(struct hak_sample) <= HAK_SAMPLE_SLOT_BYTES, "a sample fits its slot");

#endif
