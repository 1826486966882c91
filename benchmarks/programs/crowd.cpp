// crowd.cpp: a cache of records that several threads fill, read, and clear: `crowd THREADS ENTRIES`. Every record
// is a string, a list of numbers and a map; one thread makes it, and another one may replace it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct Record {
    std::string text;
    std::vector<uint64_t> numbers;
    std::map<uint64_t, std::string> parts;
};

struct Shard {
    std::mutex lock;
    std::unordered_map<std::string, std::unique_ptr<Record>> records;
};

static Shard shards[64];

static uint64_t work(uint64_t state, unsigned entries)
{
    auto draw = [&state](uint64_t below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 33) % below;
    };
    uint64_t found = 0;
    for (unsigned i = 0; i < entries; i++) {
        auto record = std::make_unique<Record>();
        record->text.assign(draw(200), 'x');
        record->numbers.resize(draw(30));
        for (uint64_t part = draw(5); part > 0; part--)
            record->parts[draw(1000)] = "a part that is named at length " + std::to_string(part);
        std::string key = "the key of a record " + std::to_string(draw(entries));
        Shard &shard = shards[std::hash<std::string>()(key) % 64];
        std::lock_guard<std::mutex> guard(shard.lock);
        auto &place = shard.records[key];
        found += place != nullptr;
        place = std::move(record);
    }
    return found;
}

int main(int count, char **words)
{
    if (count != 3) {
        std::fputs("usage: crowd THREADS ENTRIES\n", stderr);
        return 2;
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < std::atoi(words[1]); i++)
        threads.emplace_back(work, i + 1, unsigned(std::atoi(words[2])));
    for (auto &thread : threads)
        thread.join();
    size_t records = 0;
    for (auto &shard : shards)
        records += shard.records.size();
    std::printf("%s\n", records > 0 ? "done" : "nothing");
}
