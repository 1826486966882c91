// throwing_library.cpp: C++ inside a C program, opened late and locally: new must throw there, too.
#include <cstddef>
#include <cstdint>
#include <new>

static volatile std::size_t impossible = PTRDIFF_MAX - 4096ul;

extern "C" int use_operators()
{
    int caught = 0;
    try {
        delete[] new char[impossible];
    } catch (const std::bad_alloc &) {
        caught++;
    }
    try {
        ::operator delete(::operator new(impossible, std::align_val_t{64}), std::align_val_t{64});
    } catch (const std::bad_alloc &) {
        caught++;
    }
    return caught == 2 && new (std::nothrow) char[impossible] == nullptr ? 0 : 1;
}
