//! CSV and numbers in C++: rows, cells in quotes, strict reading and shortest writing of numbers.
#pragma once

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Prints `error: …` to the log and ends with 1, which marks the job as failed.
[[noreturn]] inline void fail(const std::string &reason) {
    std::fprintf(stderr, "error: %s\n", reason.c_str());
    std::exit(1);
}

/// `std::FILE`, because this libc++ is built without file streams for WASI.
inline std::FILE *open(const std::string &path, const char *mode) {
    std::FILE *file = std::fopen(path.c_str(), mode);
    if (file == nullptr) fail("opening " + path + ": " + std::strerror(errno));
    return file;
}

struct Row {
    std::vector<std::string> cells;
    std::size_t line = 0;
};

class Csv {
  public:
    explicit Csv(const std::string &path) {
        std::FILE *file = open(path, "rb");
        std::vector<char> buffer(64 * 1024);
        while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file)) text.append(buffer.data(), got);
        if (std::ferror(file)) fail("reading " + path + " failed");
        std::fclose(file);
        if (text.starts_with("\xEF\xBB\xBF")) at = 3;
    }

    /// Reads the next row that is not an empty line; false at the end of the file.
    bool next(Row &row) {
        for (; at < text.size() && (text[at] == '\n' || text[at] == '\r'); at++) line += text[at] == '\n';
        if (at == text.size()) return false;
        row.line = line;
        row.cells.clear();
        while (cell(row.cells.emplace_back())) {}
        return true;
    }

  private:
    std::string text;
    std::size_t at = 0, line = 1;

    /// Reads one cell and what ends it; true if another cell follows in this row.
    bool cell(std::string &to) {
        bool quoted = at < text.size() && text[at] == '"';
        at += quoted;
        for (; at < text.size(); at++) {
            const char c = text[at];
            if (quoted && c == '"') {
                if (at + 1 == text.size() || text[at + 1] != '"') {
                    quoted = false;
                    continue;
                }
                at++;
            } else if (!quoted && (c == ',' || c == '\n' || c == '\r')) {
                at++;
                line += c == '\n';
                return c == ',';
            }
            line += c == '\n';
            to += c;
        }
        return false;
    }
};

inline std::string_view trimmed(std::string_view cell) {
    constexpr std::string_view space = " \t\n\v\f\r";
    const std::size_t start = cell.find_first_not_of(space);
    return start == cell.npos ? "" : cell.substr(start, cell.find_last_not_of(space) - start + 1);
}

/// Whether a cell holds no value: empty, or `NA` as R writes it.
inline bool is_missing(std::string_view cell) { return trimmed(cell).empty() || trimmed(cell) == "NA"; }

/// Decimal only: `strtod` would also take `inf`, `nan` and hexadecimal, one of which would swallow every total.
inline std::optional<double> parse_number(std::string_view cell) {
    const std::string text(trimmed(cell));
    if (text.find_first_not_of("0123456789+-.eE") != text.npos || text.empty()) return {};
    char *end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (*end != '\0' || !std::isfinite(number)) return {};
    return number;
}

/// The fewest digits that read back as `number`; an exponent below 1e-4 and from 1e16, as Rust's `{:?}` does.
inline std::string number_text(double number) {
    if (!std::isfinite(number)) return number > 0 ? "inf" : number < 0 ? "-inf" : "NaN";
    const double size = std::abs(number);
    char text[64];
    if (size == 0 || (size >= 1e-4 && size < 1e16)) {
        const auto [end, error] = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed);
        return {text, end};
    }
    const auto [end, error] = std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
    // `1e+21` and `1e-09` become `1e21` and `1e-9`.
    const std::string form(text, end);
    const std::size_t mark = form.find('e');
    return form.substr(0, mark + 1) + std::to_string(std::atoi(form.c_str() + mark + 1));
}

/// A cell as it is written: in quotes where it needs them.
inline std::string quoted(const std::string &cell) {
    if (!cell.empty() && cell.find_first_of(",\"\r\n") == cell.npos) return cell;
    std::string text = "\"";
    for (const char c : cell) text.append(c == '"' ? 2 : 1, c);
    return text + '"';
}
