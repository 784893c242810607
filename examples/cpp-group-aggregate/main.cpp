//! Totals per group in C++: `IN OUT --file NAME --by COLUMN --value COLUMN [--min-group N]`, writes `groups.csv`.
//
// C++20 without exceptions, which keeps the module small and within what every WebAssembly engine runs.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "csv.hpp"

namespace {

/// One group: Neumaier's compensated sum, as every example here computes it, so that the bytes agree.
struct Group {
    std::uint64_t count = 0;
    double total = 0, lost = 0;
    double min = std::numeric_limits<double>::infinity(), max = -min;

    void add(double number) {
        const double next = total + number;
        lost += std::abs(total) >= std::abs(number) ? (total - next) + number : (number - next) + total;
        total = next;
        count += 1;
        min = std::fmin(min, number);
        max = std::fmax(max, number);
    }

    double sum() const { return std::isfinite(total) ? total + lost : total; }
};

/// `std::map` keeps the groups sorted by the bytes of their names.
using Groups = std::map<std::string, Group>;
using Options = std::map<std::string, std::string>;

Options parse_options(int argc, char **argv) {
    Options options;
    for (int i = 3; i < argc; i += 2) {
        const std::string key = argv[i];
        if (key != "--file" && key != "--by" && key != "--value" && key != "--min-group")
            fail(key + " is not known here; known: --by, --value, --file, --min-group");
        if (i + 1 == argc) fail(key + " needs a value");
        if (!options.emplace(key, argv[i + 1]).second) fail(key + " is given twice");
    }
    for (const char *key : {"--file", "--by", "--value"})
        if (!options.contains(key)) fail(std::string(key) + " VALUE is needed");
    return options;
}

std::uint64_t parse_min_group(const Options &options) {
    const auto given = options.find("--min-group");
    if (given == options.end()) return 5;
    const std::string &text = given->second;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number == 0)
        fail("--min-group " + text + ": a whole number of at least 1 is needed");
    return number;
}

std::size_t position(const Row &header, const std::string &column) {
    for (std::size_t i = 0; i < header.cells.size(); i++)
        if (header.cells[i] == column) return i;
    fail("there is no column \"" + column + "\"");
}

Groups gather(Csv &csv, const Options &options) {
    const std::string &by_name = options.at("--by"), &value_name = options.at("--value");
    Row header, row;
    if (!csv.next(header)) fail(options.at("--file") + " is empty");
    const std::size_t by = position(header, by_name), value = position(header, value_name);
    Groups groups;
    while (csv.next(row)) {
        const std::string line = "line " + std::to_string(row.line) + ": ";
        if (row.cells.size() != header.cells.size())
            fail(line + std::to_string(row.cells.size()) + " cells, but the header has " + std::to_string(header.cells.size()));
        if (is_missing(row.cells[by]) || is_missing(row.cells[value])) continue;
        const std::optional<double> number = parse_number(row.cells[value]);
        // The cell itself stays out of the message: the log is read outside.
        if (!number) fail(line + "the column \"" + value_name + "\" holds something that is not a number");
        groups[row.cells[by]].add(*number);
    }
    return groups;
}

/// The table, and how many groups were too small for it.
std::pair<std::string, std::size_t> table(const Groups &groups, const std::string &by, std::uint64_t min_group) {
    std::size_t suppressed = 0;
    std::string text = quoted(by) + ",count,mean,min,max,sum\n";
    for (const auto &[name, group] : groups) {
        if (group.count < min_group) {
            suppressed++;
            continue;
        }
        text += quoted(name) + "," + std::to_string(group.count);
        for (const double number : {group.sum() / static_cast<double>(group.count), group.min, group.max, group.sum()})
            text += "," + number_text(number);
        text += "\n";
    }
    return {text, suppressed};
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3) fail("the two folders are missing");
    const Options options = parse_options(argc, argv);
    const std::uint64_t min_group = parse_min_group(options);
    const std::string &file = options.at("--file");
    Csv csv(std::string(argv[1]) + "/" + file);
    const Groups groups = gather(csv, options);
    const auto [text, suppressed] = table(groups, options.at("--by"), min_group);
    std::FILE *to = open(std::string(argv[2]) + "/groups.csv", "wb");
    const bool written = std::fwrite(text.data(), 1, text.size(), to) == text.size();
    if (std::fclose(to) != 0 || !written) fail("groups.csv could not be written");
    std::printf("%s: %zu groups written\n", file.c_str(), groups.size() - suppressed);
    std::printf("%zu groups with fewer than %llu values suppressed\n", suppressed, static_cast<unsigned long long>(min_group));
}
