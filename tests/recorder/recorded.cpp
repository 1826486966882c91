// recorded.cpp: C++'s ways to allocate, from known places.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

struct alignas(128) wide {
    char content[256];
};

static void *volatile kept; // so that no call is optimised away

int main(int count, char **)
{
    if (count > 1) { // waits for a line
        std::puts("ready");
        std::fflush(stdout);
        std::getchar();
    }
    int *number = new int(1);
    kept = number;
    delete number;
    char *text = new char[1000];
    kept = text;
    delete[] text;
    wide *aligned = new wide;
    kept = aligned;
    delete aligned;
    void *plain = ::operator new(77, std::nothrow);
    kept = plain;
    ::operator delete(plain, std::nothrow);
    volatile std::size_t huge = std::size_t(1) << 60;
    int caught = 0;
    try {
        kept = ::operator new(huge);
    } catch (const std::bad_alloc &) {
        caught = 1;
    }
    kept = new char[4242]; // is recorded after an exception too, and never deleted
    return caught ? 6 : 7;
}
