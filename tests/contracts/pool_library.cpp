// pool_library.cpp: a library with operators of its own, whose blocks no malloc knows: as long as new and
// delete come from one place, nobody notices.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
alignas(64) unsigned char pool[1 << 20];
std::size_t used;
} // namespace

void *operator new(std::size_t bytes)
{
    void *block = &pool[used];
    used += (bytes + 15) / 16 * 16;
    return block;
}

void operator delete(void *block) noexcept
{
    if (block && (block < pool || block >= pool + sizeof pool))
        std::abort();
}

void operator delete(void *block, std::size_t) noexcept
{
    ::operator delete(block);
}

extern "C" int use_operators()
{
    for (int i = 0; i < 100; i++)
        delete new int(i);
    return 0;
}
