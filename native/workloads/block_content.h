/* block_content.h: writes content into blocks, and checks later that it is still there. The check fails if an
 * allocator hands out a block twice, or writes into a block in use. */
#ifndef HAK_BLOCK_CONTENT_H
#define HAK_BLOCK_CONTENT_H

#include "lane.h"
#include <string.h>

#define CONTENT_PAGE_BYTES 4096u

/* A block at the user, with the requested size and the tag that was written. */
struct content_block {
    void *address;
    uint32_t bytes, tag;
};

/* Writes the tag at both ends of the block. */
static inline void content_write(const struct content_block *block)
{
    char *start = block->address;
    if (block->bytes >= sizeof block->tag) {
        memcpy(start, &block->tag, sizeof block->tag);
        memcpy(start + block->bytes - sizeof block->tag, &block->tag, sizeof block->tag);
    } else if (block->bytes != 0) {
        start[0] = start[block->bytes - 1] = (char)block->tag;
    }
}

static inline bool content_is_intact(const struct content_block *block)
{
    const char *start = block->address;
    if (block->bytes >= 2 * sizeof block->tag) {
        uint32_t first, last;
        memcpy(&first, start, sizeof first);
        memcpy(&last, start + block->bytes - sizeof last, sizeof last);
        return first == block->tag && last == block->tag;
    }
    /* The two tags of such a small block overlap, and the last byte belongs to the second. */
    if (block->bytes >= sizeof block->tag)
        return start[block->bytes - 1] == (char)(block->tag >> 24);
    return block->bytes == 0 || start[0] == (char)block->tag;
}

/* Touches one byte in each of the first `percent` % of the pages between the ends. */
static inline void content_touch_pages(const struct content_block *block, uint32_t percent)
{
    size_t touched = (size_t)block->bytes / 100 * percent;
    volatile char *start = block->address;
    for (size_t at = CONTENT_PAGE_BYTES; at + CONTENT_PAGE_BYTES < touched; at += CONTENT_PAGE_BYTES)
        start[at] = (char)block->tag;
}

/* Puts a new allocation into the block, and writes its tag. */
static inline void content_adopt(struct workload_lane *lane, struct content_block *block, void *address, uint32_t bytes)
{
    /* Tags of neighbouring blocks differ by the low bits of the address, and tags of threads by the lane. */
    block->tag = (uint32_t)((uintptr_t)address >> 3) * 2654435761u ^ lane->index;
    block->address = address;
    block->bytes = bytes;
    content_write(block);
    workload_note(lane, bytes);
}

/* Allocates a block and writes its tag. If it fails, it reports that and returns false. */
static inline bool content_allocate(struct workload_lane *lane, struct content_block *block, uint32_t bytes)
{
    void *address = WORKLOAD_MALLOC(bytes);
    if (address == NULL) {
        workload_fail(lane, "out of memory: malloc(%u) returned NULL", bytes);
        return false;
    }
    content_adopt(lane, block, address, bytes);
    return true;
}

/* Checks a block, frees it, and adds `slot` to the checksum. If the block was overwritten, it reports that and returns
 * false. */
static inline bool content_release(struct workload_lane *lane, struct content_block *block, uint32_t slot)
{
    if (!content_is_intact(block)) {
        workload_fail(lane, "the block of %u bytes at %p was overwritten while in use", block->bytes,
                      block->address);
        return false;
    }
    WORKLOAD_FREE(block->address);
    block->address = NULL;
    workload_note(lane, WORKLOAD_REQUEST_FREE | slot);
    return true;
}

/* --- for loops of a few instructions: one byte that identifies the owner of the block ----------------- */

/* Keeps the compiler from leaving out an allocation whose block is not used. */
#define CONTENT_KEEP(address) __asm__ volatile("" : "+r"(address) : : "memory")

static inline void content_mark(void *address, uint32_t owner)
{
    *(volatile unsigned char *)address = (unsigned char)owner;
}

static inline bool content_is_marked(const void *address, uint32_t owner)
{
    return *(const volatile unsigned char *)address == (unsigned char)owner;
}

/* Reports a block for which content_is_marked returned false. */
static inline enum workload_outcome content_fail_mark(struct workload_lane *lane, const void *address)
{
    workload_fail(lane, "the block at %p was overwritten while in use", address);
    return WORKLOAD_FAILED;
}

static inline enum workload_outcome content_fail_memory(struct workload_lane *lane, size_t bytes)
{
    workload_fail(lane, "out of memory: malloc(%zu) returned NULL", bytes);
    return WORKLOAD_FAILED;
}

/* The bounds of sizes that most drivers have as parameters. */
struct content_sizes {
    uint32_t minimum, count;
};

static inline struct content_sizes content_sizes_between(double minimum, double maximum)
{
    return (struct content_sizes){(uint32_t)minimum, (uint32_t)(maximum - minimum) + 1};
}

static inline uint32_t content_draw_size(const struct content_sizes *sizes, uint32_t bits)
{
    return sizes->minimum + workload_below(bits, sizes->count);
}

/* Frees all blocks without a check, at the end of a lane, whether it failed or not. */
static inline void content_release_all(struct content_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        WORKLOAD_FREE(blocks[i].address);
        blocks[i].address = NULL;
    }
}

#endif
