// cxx_rules.cpp: what a C++ program may expect of its allocator, through new and delete.
#include "rules.h"
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

bool is_aligned(const void *block, std::size_t alignment)
{
    return (reinterpret_cast<std::uintptr_t>(block) & (alignment - 1)) == 0;
}

template <std::size_t alignment> struct alignas(alignment) Aligned {
    unsigned char bytes[alignment + 1];
};

template <std::size_t alignment> void check_aligned()
{
    for (int i = 0; i < 20; i++) {
        std::unique_ptr<Aligned<alignment>> one(new Aligned<alignment>);
        std::unique_ptr<Aligned<alignment>[]> many(new Aligned<alignment>[5]);
        CHECK(is_aligned(one.get(), alignment));
        CHECK(is_aligned(many.get(), alignment));
        one->bytes[alignment] = many[4].bytes[alignment] = 1;
    }
}

// The compiler must not know that the size cannot be had.
volatile std::size_t impossible = static_cast<std::size_t>(PTRDIFF_MAX) - 4096;
void *volatile sink;
int handled;

void give_up()
{
    handled++;
    std::set_new_handler(nullptr);
}

} // namespace

RULE(new_and_delete)
{
    for (int i = 1; i < 3000; i++) {
        auto *numbers = new std::uint64_t[i];
        numbers[i - 1] = i;
        sink = numbers;
        delete[] numbers;
        auto *word = new std::string(i, 'x');
        CHECK(word->size() == static_cast<std::size_t>(i));
        delete word;
    }
}

RULE(new_of_aligned_types)
{
    check_aligned<16>();
    check_aligned<32>();
    check_aligned<64>();
    check_aligned<256>();
    check_aligned<4096>();
    check_aligned<65536>();
}

RULE(new_throws_bad_alloc)
{
    bool is_thrown = false;
    try {
        sink = ::operator new(impossible);
    } catch (const std::bad_alloc &) {
        is_thrown = true;
    }
    CHECK(is_thrown);
}

RULE(new_nothrow_gives_null)
{
    sink = ::operator new(impossible, std::nothrow);
    CHECK(sink == nullptr);
    sink = ::operator new(impossible, std::align_val_t(64), std::nothrow);
    CHECK(sink == nullptr);
}

RULE(new_calls_the_new_handler)
{
    std::set_new_handler(give_up);
    bool is_thrown = false;
    try {
        sink = ::operator new(impossible);
    } catch (const std::bad_alloc &) {
        is_thrown = true;
    }
    CHECK(is_thrown && handled == 1);
}

RULE(every_operator_frees_what_its_pair_gave)
{
    for (std::size_t bytes : {0ul, 1ul, 100ul, 5000ul, 300000ul, 5000000ul}) {
        ::operator delete(::operator new(bytes));
        ::operator delete(::operator new(bytes), bytes);
        ::operator delete(::operator new(bytes, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](bytes));
        ::operator delete[](::operator new[](bytes), bytes);
        ::operator delete[](::operator new[](bytes, std::nothrow), std::nothrow);
        for (std::size_t power : {16ul, 64ul, 4096ul, 65536ul}) {
            std::align_val_t alignment{power};
            void *block = ::operator new(bytes, alignment);
            CHECK(is_aligned(block, power));
            ::operator delete(block, alignment);
            ::operator delete(::operator new(bytes, alignment), bytes, alignment);
            ::operator delete(::operator new(bytes, alignment, std::nothrow), alignment, std::nothrow);
            block = ::operator new[](bytes, alignment);
            CHECK(is_aligned(block, power));
            ::operator delete[](block, alignment);
            ::operator delete[](::operator new[](bytes, alignment), bytes, alignment);
            ::operator delete[](::operator new[](bytes, alignment, std::nothrow), alignment, std::nothrow);
        }
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, 100, std::align_val_t{64});
}

RULE(every_size_has_every_alignment)
{
    static unsigned char *kept[16];
    unsigned next = 0;
    for (std::size_t power = 1; power <= 2048; power *= 2)
        for (std::size_t bytes = 1; bytes <= 1200; bytes += bytes % 3 + 1) {
            unsigned char *&block = kept[next++ % 16];
            std::free(block);
            block = static_cast<unsigned char *>(std::aligned_alloc(power, (bytes + power - 1) / power * power));
            CHECK(is_aligned(block, power));
            std::align_val_t alignment{power};
            auto *first = static_cast<unsigned char *>(::operator new(bytes, alignment));
            auto *second = static_cast<unsigned char *>(::operator new[](bytes, alignment, std::nothrow));
            CHECK(is_aligned(first, power) && is_aligned(second, power) && first != second);
            std::memset(first, 1, bytes);
            std::memset(second, 2, bytes);
            CHECK(first[0] == 1 && first[bytes - 1] == 1);
            ::operator delete(first, bytes, alignment);
            ::operator delete[](second, alignment, std::nothrow);
        }
    for (unsigned char *block : kept)
        std::free(block);
}

RULE(containers_and_threads)
{
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([t] {
            std::map<int, std::string> words;
            for (int i = 0; i < 20000; i++) {
                words[i * 7919 % 5000] = std::string(i % 100, static_cast<char>('a' + t));
                if (i % 3 == 0)
                    words.erase(i % 5000);
            }
            for (const auto &[key, word] : words)
                CHECK(word.empty() || word.back() == 'a' + t);
        });
    }
    for (auto &thread : threads)
        thread.join();
}

RULE(exceptions)
{
    for (int i = 0; i < 1000; i++) {
        bool is_caught = false;
        try {
            throw std::runtime_error(std::string(i, 'x'));
        } catch (const std::exception &error) {
            is_caught = std::string(error.what()).size() == static_cast<std::size_t>(i);
        }
        CHECK(is_caught);
    }
}
