// A library's index: templates, containers, lambdas, variants: what makes a C++ compiler work.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

template <typename Value> class Matrix {
public:
    Matrix(std::size_t rows, std::size_t columns) : columns_(columns), values_(rows * columns) {}
    Value &at(std::size_t row, std::size_t column) { return values_[row * columns_ + column]; }
    template <typename Function> auto map(Function function) const {
        Matrix<decltype(function(values_[0]))> result(values_.size() / columns_, columns_);
        std::transform(values_.begin(), values_.end(), result.begin(), function);
        return result;
    }
    auto begin() { return values_.begin(); }
    Value sum() const { return std::accumulate(values_.begin(), values_.end(), Value{}); }

private:
    std::size_t columns_;
    std::vector<Value> values_;
    template <typename> friend class Matrix;
};

template <int Number> struct Fibonacci {
    static constexpr long value = Fibonacci<Number - 1>::value + Fibonacci<Number - 2>::value;
};
template <> struct Fibonacci<1> { static constexpr long value = 1; };
template <> struct Fibonacci<0> { static constexpr long value = 0; };

struct Book { std::string title; int year; std::vector<std::string> words; };
struct Journal { std::string title; std::map<int, std::string> issues; };
struct Map { std::string place; std::optional<double> scale; };
using Item = std::variant<Book, Journal, Map>;
template <class... Ts> struct overloaded : Ts... { using Ts::operator()...; };
template <class... Ts> overloaded(Ts...) -> overloaded<Ts...>;

template <typename Key> class Index {
public:
    void add(Key key, std::shared_ptr<const Item> item) { items_[std::move(key)].push_back(std::move(item)); }
    template <typename Predicate> std::vector<Key> select(Predicate predicate) const {
        std::vector<Key> found;
        for (const auto &[key, items] : items_)
            if (std::any_of(items.begin(), items.end(), [&](const auto &item) { return predicate(*item); }))
                found.push_back(key);
        std::sort(found.begin(), found.end());
        return found;
    }

private:
    std::unordered_map<Key, std::vector<std::shared_ptr<const Item>>> items_;
};

template <typename... Values> std::string join(const Values &...values) {
    std::ostringstream text;
    ((text << values << ' '), ...);
    return text.str();
}

int main() {
    Index<std::string> by_name;
    Index<int> by_year;
    for (int i = 0; i < 50; i++) {
        auto item = std::make_shared<const Item>(
            i % 3 == 0 ? Item{Book{join("book", i), 1900 + i, {"a", "b"}}}
            : i % 3 == 1 ? Item{Journal{join("journal", i), {{i, "issue"}}}}
                         : Item{Map{join("map", i), i * 0.5}});
        by_name.add(std::visit(overloaded{[](const Book &book) { return book.title; },
                                          [](const Journal &journal) { return journal.title; },
                                          [](const Map &map) { return map.place; }}, *item), item);
        by_year.add(1900 + i, item);
    }
    Matrix<int> numbers(20, 20);
    std::iota(numbers.begin(), numbers.begin() + 400, 1);
    auto halves = numbers.map([](int value) { return value / 2.0; });
    auto texts = halves.map([](double value) { return std::to_string(value); });
    auto names = by_name.select([](const Item &item) { return std::holds_alternative<Book>(item); });
    auto years = by_year.select([](const Item &item) { return item.index() == 2; });
    std::cout << join(names.size(), years.size(), halves.sum(), texts.sum().size(), Fibonacci<80>::value) << '\n';
}
