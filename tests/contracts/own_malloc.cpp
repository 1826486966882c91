// own_malloc.cpp: a program that brings malloc, free, calloc and realloc of its own, and none of the calls that are
// defined by them. Every block of those lies in its pool. Prints how many calls it had.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <unistd.h>

alignas(64) static char pool[16 << 20];
static std::size_t used;
static int mallocs, frees;

static bool is_in_pool(const void *block)
{
    return block >= pool && block < pool + sizeof pool;
}

[[noreturn]] static void fail(const char *what)
{
    if (write(STDERR_FILENO, what, std::strlen(what)) < 0)
        _exit(2);
    _exit(1);
}

extern "C" {
void *malloc(std::size_t bytes)
{
    mallocs++;
    std::size_t whole = (bytes + 31) / 16 * 16;
    if (bytes > sizeof pool || used + whole > sizeof pool)
        return nullptr;
    char *block = pool + used;
    std::memcpy(block, &bytes, sizeof bytes);
    used += whole;
    return block + 16;
}

void free(void *block)
{
    frees++;
    if (block && !is_in_pool(block))
        fail("free of a block of another malloc\n");
}

void *calloc(std::size_t count, std::size_t bytes)
{
    void *block = malloc(count * bytes);
    return block ? std::memset(block, 0, count * bytes) : nullptr;
}

void *realloc(void *block, std::size_t bytes)
{
    if (!block)
        return malloc(bytes);
    if (!is_in_pool(block))
        fail("realloc of a block of another malloc\n");
    std::size_t old;
    std::memcpy(&old, static_cast<char *>(block) - 16, sizeof old);
    void *other = malloc(bytes);
    return other ? std::memcpy(other, block, old < bytes ? old : bytes) : nullptr;
}
}

static void check(void *block)
{
    if (!is_in_pool(block))
        fail("a block of another malloc\n");
}

int main(int count, char **)
{
    // The first call may look for the C++ runtime, which allocates.
    ::operator delete(::operator new(1, std::nothrow));
    mallocs = frees = 0;
    for (std::size_t bytes : {1ul, 100ul, 5000ul, 100000ul}) {
        void *block = reallocarray(nullptr, bytes, 2);
        std::memset(block, 7, 2 * bytes);
        block = reallocarray(block, bytes, 4);
        check(block);
        free(block);
        block = ::operator new(bytes);
        check(block);
        ::operator delete(block);
        block = ::operator new[](bytes);
        check(block);
        ::operator delete[](block, bytes);
        block = ::operator new(bytes, std::nothrow);
        check(block);
        std::free(block); // undefined, and common
    }
    int seen_mallocs = mallocs, seen_frees = frees;
    // glibc's aligned_alloc gives a block of glibc's; this malloc's free cannot take it.
    if (count == 2)
        ::operator delete(::operator new(100, std::align_val_t{64}), std::align_val_t{64});
    volatile std::size_t impossible = 1ul << 50;
    bool is_thrown = false;
    try {
        check(::operator new(impossible));
    } catch (const std::bad_alloc &) {
        is_thrown = true;
    }
    if (!is_thrown || ::operator new[](impossible, std::nothrow) || reallocarray(nullptr, impossible, impossible))
        fail("no memory was not said\n");
    check(strdup("a copy"));
    check(std::string(100, 'x').data());
    std::printf("%d mallocs, %d frees\n", seen_mallocs, seen_frees);
    return 0;
}
