// replaced_operators.cpp: a program that replaces some of C++'s operators, and uses all. Prints how often each of its
// own was called, which is the same wherever the others call them as the standard says.
//
// Built once a choice of macros: NEW, DELETE, ARRAY_NEW, ARRAY_DELETE, ALIGNED, ALIGNED_ARRAY, NOTHROW, SIZED. With both
// halves of a pair its blocks begin 64 bytes into those of malloc, so that no other allocator can free them.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <initializer_list>
#include <new>

namespace {

enum Operator { new_one, delete_one, new_array, delete_array, new_aligned, delete_aligned, new_aligned_array,
                delete_aligned_array, nothrow, sized, operator_count };
int calls[operator_count];

#if defined(NEW) && !defined(DELETE) || !defined(NEW) && defined(DELETE)
constexpr std::size_t shift = 0;
#else
constexpr std::size_t shift = 64;
#endif
constexpr std::size_t too_large = 1ul << 40;

[[maybe_unused]] void *give(std::size_t bytes, Operator which)
{
    calls[which]++;
    if (bytes >= too_large)
        throw std::bad_alloc();
    return static_cast<char *>(std::malloc(bytes + shift)) + shift;
}

[[maybe_unused]] void *give(std::size_t bytes, std::align_val_t alignment, Operator which)
{
    std::size_t power = static_cast<std::size_t>(alignment);
    calls[which]++;
    if (bytes >= too_large)
        throw std::bad_alloc();
    return static_cast<char *>(std::aligned_alloc(power, (bytes + 2 * power - 1) / power * power)) + power;
}

[[maybe_unused]] void take(void *block, Operator which)
{
    calls[which]++;
    if (block)
        std::free(static_cast<char *>(block) - shift);
}

[[maybe_unused]] void take(void *block, std::align_val_t alignment, Operator which)
{
    calls[which]++;
    if (block)
        std::free(static_cast<char *>(block) - static_cast<std::size_t>(alignment));
}

} // namespace

#ifdef NEW
void *operator new(std::size_t bytes) { return give(bytes, new_one); }
#endif
#ifdef DELETE
void operator delete(void *block) noexcept { take(block, delete_one); }
#endif
#ifdef ARRAY_NEW
void *operator new[](std::size_t bytes) { return give(bytes, new_array); }
#endif
#ifdef ARRAY_DELETE
void operator delete[](void *block) noexcept { take(block, delete_array); }
#endif
#ifdef ALIGNED
void *operator new(std::size_t bytes, std::align_val_t alignment) { return give(bytes, alignment, new_aligned); }
void operator delete(void *block, std::align_val_t alignment) noexcept { take(block, alignment, delete_aligned); }
#endif
#ifdef ALIGNED_ARRAY
void *operator new[](std::size_t bytes, std::align_val_t alignment) { return give(bytes, alignment, new_aligned_array); }
void operator delete[](void *block, std::align_val_t alignment) noexcept
{
    take(block, alignment, delete_aligned_array);
}
#endif
#ifdef NOTHROW
void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept
{
    calls[nothrow]++;
    return bytes >= too_large ? nullptr : std::malloc(bytes);
}
#endif
#ifdef SIZED
void operator delete(void *block, std::size_t) noexcept
{
    calls[sized]++;
    ::operator delete(block);
}
#endif

// Every form, from the smallest block to one that is a mapping of its own, and many at a time.
static void use_all_forms(std::size_t bytes, std::align_val_t alignment)
{
    ::operator delete(::operator new(bytes));
    ::operator delete(::operator new(bytes), bytes);
    ::operator delete(::operator new(bytes, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](bytes));
    ::operator delete[](::operator new[](bytes), bytes);
    ::operator delete[](::operator new[](bytes, std::nothrow), std::nothrow);
    ::operator delete(::operator new(bytes, alignment), alignment);
    ::operator delete(::operator new(bytes, alignment), bytes, alignment);
    ::operator delete(::operator new(bytes, alignment, std::nothrow), alignment, std::nothrow);
    ::operator delete[](::operator new[](bytes, alignment), alignment);
    ::operator delete[](::operator new[](bytes, alignment), bytes, alignment);
    ::operator delete[](::operator new[](bytes, alignment, std::nothrow), alignment, std::nothrow);
    ::operator delete(nullptr);
}

static int count_nulls()
{
    volatile std::size_t bytes = too_large * 1024 * 1024;
    std::align_val_t alignment{64};
    void *blocks[] = {::operator new(bytes, std::nothrow), ::operator new[](bytes, std::nothrow),
                      ::operator new(bytes, alignment, std::nothrow), ::operator new[](bytes, alignment, std::nothrow)};
    int nulls = 0;
    for (void *block : blocks)
        nulls += block == nullptr;
    return nulls;
}

int main(int count, char **words)
{
    for (std::size_t bytes : {0ul, 1ul, 100ul, 5000ul, 100000ul, 5000000ul})
        for (std::size_t power : {16ul, 64ul, 4096ul})
            use_all_forms(bytes, std::align_val_t{power});
    static void *blocks[1000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = i % 2 ? ::operator new(48) : ::operator new[](48);
    for (int i = 0; i < 1000; i++)
        i % 2 ? ::operator delete(blocks[i], 48) : ::operator delete[](blocks[i], 48);
    // What a library gives that was loaded later, the program deletes, and the other way round.
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library)
        return 2;
    auto give_array = reinterpret_cast<int *(*)(int)>(dlsym(library, "give_array"));
    auto take_array = reinterpret_cast<void (*)(int *)>(dlsym(library, "take_array"));
    delete[] give_array(100);
    take_array(new int[100]);
    std::printf("%d nulls, calls:", count_nulls());
    for (int number : calls)
        std::printf(" %d", number);
    std::puts("");
    return 0;
}
