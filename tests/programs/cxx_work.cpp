// cxx_work.cpp: ordinary work of a C++ program: containers, exceptions, threads, memory resources.
// What it prints depends on the work alone.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <numeric>
#include <queue>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

// A small generator: the same numbers everywhere.
class Numbers {
public:
    explicit Numbers(unsigned long seed) : state_(seed * 2654435761u + 1) {}
    unsigned long next(unsigned long below)
    {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return (state_ >> 33) % below;
    }

private:
    unsigned long state_;
};

unsigned long digest(unsigned long so_far, const std::string &text)
{
    for (char c : text)
        so_far = (so_far ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return so_far;
}

// -------- containers

unsigned long churn_containers(unsigned long seed)
{
    Numbers numbers(seed);
    std::map<std::string, std::vector<int>> tree;
    std::unordered_map<unsigned long, std::string> table;
    std::list<std::string> list;
    std::deque<std::unique_ptr<std::string>> queue;
    std::multiset<unsigned long> ordered;
    for (int i = 0; i < 20000; i++) {
        unsigned long number = numbers.next(3000);
        tree["key " + std::to_string(number)].push_back(i);
        table[number] += std::string(1 + number % 60, static_cast<char>('a' + number % 26));
        if (table[number].size() > 2000)
            table.erase(number);
        list.push_front(std::string(number % 100, 'x'));
        if (list.size() > 500)
            list.pop_back();
        queue.push_back(std::make_unique<std::string>(std::to_string(number)));
        while (queue.size() > 1 + number)
            queue.pop_front();
        ordered.insert(number);
        if (ordered.size() > 1000)
            ordered.erase(ordered.begin());
    }
    unsigned long sum = 14695981039346656037u;
    for (const auto &[key, values] : tree)
        sum = digest(sum, key + std::to_string(std::accumulate(values.begin(), values.end(), 0L)));
    std::map<unsigned long, std::string> sorted(table.begin(), table.end());
    for (const auto &[key, text] : sorted)
        sum = digest(sum, std::to_string(key) + text);
    for (const auto &text : queue)
        sum = digest(sum, *text);
    return std::accumulate(ordered.begin(), ordered.end(), sum);
}

// -------- exceptions

struct Refusal : std::runtime_error {
    Refusal(const std::string &what, int at) : std::runtime_error(what), depth(at) {}
    int depth;
};

int descend(int depth, const std::string &path)
{
    std::string here = path + "/" + std::to_string(depth);
    std::vector<std::string> ballast(static_cast<std::size_t>(depth), here);
    if (depth == 40)
        throw Refusal("refused at " + here, depth);
    try {
        return descend(depth + 1, here);
    } catch (const Refusal &refusal) {
        if (depth % 10 == 0)
            std::throw_with_nested(Refusal("again at " + here, depth));
        throw;
    }
}

unsigned long unwind(const std::exception &exception)
{
    unsigned long sum = digest(17, exception.what());
    try {
        std::rethrow_if_nested(exception);
    } catch (const std::exception &inner) {
        sum ^= unwind(inner) * 31;
    }
    return sum;
}

unsigned long throw_and_catch()
{
    unsigned long sum = 0;
    for (int i = 0; i < 200; i++) {
        try {
            descend(i % 7, "start");
        } catch (const std::exception &exception) {
            sum = sum * 7 + unwind(exception);
        }
    }
    return sum;
}

// -------- threads: blocks made by one, ended by another

unsigned long pass_between_threads()
{
    std::mutex mutex;
    std::queue<std::shared_ptr<std::string>> passed;
    std::vector<unsigned long> sums(4);
    std::vector<std::thread> threads;
    for (unsigned long t = 0; t < sums.size(); t++)
        threads.emplace_back([&, t] {
            Numbers numbers(t);
            for (int i = 0; i < 10000; i++) {
                auto made = std::make_shared<std::string>(1 + numbers.next(500), static_cast<char>('a' + t));
                sums[t] += made->size();
                std::shared_ptr<std::string> taken;
                std::lock_guard<std::mutex> guard(mutex);
                passed.push(std::move(made));
                if (passed.size() > 300) {
                    taken = passed.front();
                    passed.pop();
                }
            }
        });
    for (auto &thread : threads)
        thread.join();
    // Short lives too: a thread's cache is made and given back each time.
    for (unsigned long i = 0; i < 200; i++)
        std::thread([&sums, i] { sums[i % 4] += std::vector<std::string>(50, std::string(90, 'z')).size(); }).join();
    return std::accumulate(sums.begin(), sums.end(), 0ul);
}

// -------- alignment, arenas, variants, streams

struct alignas(128) Line {
    unsigned long words[32];
};

unsigned long use_the_rest()
{
    std::vector<std::unique_ptr<Line>> lines;
    unsigned long misaligned = 0;
    for (unsigned long i = 0; i < 1000; i++) {
        lines.push_back(std::make_unique<Line>());
        misaligned += reinterpret_cast<unsigned long>(lines.back().get()) % alignof(Line);
    }
    std::pmr::unsynchronized_pool_resource pool;
    std::pmr::vector<std::pmr::string> strings(&pool);
    std::ostringstream text;
    std::vector<std::variant<int, std::string, std::vector<double>>> mixed;
    for (int i = 0; i < 3000; i++) {
        strings.emplace_back(static_cast<std::size_t>(i % 200), 'p');
        if (i % 3 == 0)
            mixed.emplace_back(i);
        else if (i % 3 == 1)
            mixed.emplace_back(std::to_string(i) + std::string(40, '-'));
        else
            mixed.emplace_back(std::vector<double>(static_cast<std::size_t>(i % 500), 0.5));
        text << i << ' ';
    }
    std::function<unsigned long(unsigned long)> count = [&mixed, copy = text.str()](unsigned long start) {
        return start + mixed.size() + copy.size();
    };
    std::vector<char> big(48u << 20, 'b'); // grown in place, or moved
    for (int i = 0; i < 5; i++)
        big.resize(big.size() + (8u << 20), 'c');
    unsigned long ends = static_cast<unsigned long>(big.front() + big.back());
    return count(misaligned * 1000000) + strings.size() + big.size() + ends;
}

} // namespace

int main()
{
    for (unsigned long seed = 1; seed <= 3; seed++)
        std::printf("containers %lx\n", churn_containers(seed));
    std::printf("exceptions %lx\n", throw_and_catch());
    std::printf("threads %lx\n", pass_between_threads());
    std::printf("rest %lx\n", use_the_rest());
    std::printf("all done\n");
    return 0;
}
