// containers.cpp: what C++ programs do with new and delete: `containers WORK ROUNDS`. A number that depends on
// all that was done is printed, so that nothing is left out by the compiler.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

// Ordered containers whose entries come and go, and sequences that grow and are copied.
static uint64_t containers()
{
    std::map<uint64_t, std::vector<int>> by_key;
    std::list<uint64_t> order;
    std::deque<std::vector<int>> recent;
    for (int i = 0; i < 400000; i++) {
        uint64_t key = draw(40000);
        by_key[key].push_back(i);
        order.push_back(key);
        if (order.size() > 30000) {
            by_key.erase(order.front());
            order.pop_front();
        }
        recent.push_back(by_key[key]);
        if (recent.size() > 500)
            recent.pop_front();
    }
    return by_key.size() + order.size() + recent.back().size();
}

// Lines are made, cut into words and put together again.
static uint64_t strings()
{
    std::vector<std::string> kept(5000);
    uint64_t length = 0;
    for (int i = 0; i < 200000; i++) {
        std::string line;
        for (uint64_t word = draw(12) + 1; word > 0; word--)
            line += std::string(draw(30) + 1, char('a' + word)) + " ";
        std::vector<std::string> words;
        for (size_t from = 0, to; (to = line.find(' ', from)) != std::string::npos; from = to + 1)
            words.push_back(line.substr(from, to - from));
        kept[draw(kept.size())] = words.back() + words.front() + line;
        length += kept[draw(kept.size())].size();
    }
    return length;
}

struct Node {
    std::shared_ptr<Node> left, right;
    uint64_t value = 0;
};

static std::shared_ptr<Node> grow(int depth)
{
    auto node = std::make_shared<Node>();
    node->value = uint64_t(depth);
    if (depth > 0) {
        node->left = grow(depth - 1);
        node->right = grow(depth - 1);
    }
    return node;
}

// Trees that share parts are made by two threads, and each is let go by the other.
static uint64_t shared_pointers()
{
    std::vector<std::shared_ptr<Node>> made[2];
    auto work = [&made](int me) {
        auto common = grow(4);
        for (int i = 0; i < 60; i++) {
            auto node = grow(11);
            node->left->left = common;
            made[me].push_back(node);
        }
    };
    uint64_t total = 0;
    for (int round = 0; round < 2; round++) {
        std::thread other(work, 1);
        work(0);
        other.join();
        std::swap(made[0], made[1]);
        total += made[0].size() + made[1].back()->value;
        std::thread clearer([&made] { made[1].clear(); });
        made[0].clear();
        clearer.join();
    }
    return total;
}

// A queue of small tasks, each with what it captured.
static uint64_t functions()
{
    std::deque<std::function<uint64_t()>> queue;
    uint64_t total = 0;
    for (int i = 0; i < 2000000; i++) {
        uint64_t a = draw(100), b = draw(100), c = draw(100), d = draw(100);
        if (i % 3)
            queue.emplace_back([a, b, c] { return a + b + c; });
        else
            queue.emplace_back([a, b, c, d, text = std::string(a, 'x')] { return a + b + c + d + text.size(); });
        if (queue.size() > 1000) {
            total += queue.front()();
            queue.pop_front();
        }
    }
    return total;
}

// A hash table of strings that is filled, searched and thinned out.
static uint64_t hash_tables()
{
    std::unordered_map<std::string, std::unique_ptr<uint64_t>> table;
    uint64_t found = 0;
    for (int i = 0; i < 800000; i++) {
        std::string key = "key of a length that no string keeps inside " + std::to_string(draw(100000));
        auto entry = table.find(key);
        if (entry == table.end())
            table.emplace(std::move(key), std::make_unique<uint64_t>(i));
        else if (++*entry->second % 4 == 0)
            table.erase(entry);
        found += table.size() & 1;
    }
    return found;
}

int main(int count, char **words)
{
    const std::map<std::string, uint64_t (*)()> works = {{"containers", containers},
                                                         {"strings", strings},
                                                         {"shared_ptr", shared_pointers},
                                                         {"functions", functions},
                                                         {"unordered_map", hash_tables}};
    auto work = works.find(count == 3 ? words[1] : "");
    if (work == works.end()) {
        std::fputs("usage: containers containers|strings|shared_ptr|functions|unordered_map ROUNDS\n", stderr);
        return 2;
    }
    uint64_t total = 0;
    for (int rounds = std::atoi(words[2]); rounds > 0; rounds--)
        total += work->second();
    std::printf("%llu\n", static_cast<unsigned long long>(total));
}
