// bound_pool.cpp: a library with a pool behind new(size_t) and delete(void*), linked with -Bsymbolic: its own calls of
// these two are bound to it, wherever the program finds them. The other forms of delete it leaves to the C++ runtime.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
alignas(64) unsigned char pool[1 << 20];
std::size_t used;
int deletes;
void *volatile sink;

struct node {
    long content[5];
};
} // namespace

void *operator new(std::size_t bytes)
{
    void *block = &pool[used];
    used += (bytes + 15) / 16 * 16;
    return block;
}

void operator delete(void *block) noexcept
{
    if (block < pool || block >= pool + sizeof pool)
        std::abort();
    deletes++;
}

extern "C" int use_operators()
{
    for (int i = 0; i < 100; i++) {
        node *one = new node;
        sink = one;
        delete one;
        ::operator delete(::operator new(8), std::nothrow);
        node *many = new node[3]; // of the pool or not, as the loader found new[]'s new
        sink = many;
        delete[] many;
    }
    return deletes >= 200 ? 0 : 1;
}
