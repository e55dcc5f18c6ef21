// How values are written in the configuration, in the environment and on the command line:
// durations like `500ms` or `1h30m`, rates like `50%` or `0.5`, lists like `a, b`. Reading is
// strict; what cannot be read is answered with a sentence that names the fix. Never the locale's
// business.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "core/time.h"

namespace switchgear::config {

// A value, or what is wrong with the text and what to write instead.
template <class T>
using Read = tl::expected<T, std::string>;

// One or more of number and unit (ms, s, m, h, d, y; a day has 24 hours, a year 365 days), or 0.
Read<Duration> read_duration(std::string_view text);
// In the fewest units that lose nothing: "1.5s" reads as "1500ms", 90 minutes as "90m".
std::string write_duration(Duration d);

// A fraction from 0 to 1, or a percentage from 0% to 100%.
Read<double> read_rate(std::string_view text);
// "5%".
std::string write_rate(double rate);

Read<double> read_number(std::string_view text);
// The shortest text that reads back as the same number, without an exponent where short.
std::string write_number(double number);

Read<int> read_integer(std::string_view text);

Read<bool> read_boolean(std::string_view text);

// The entries of "a, b", without the spaces around them; none of an empty text.
std::vector<std::string> split_list(std::string_view text);
std::string write_list(const std::vector<std::string>& entries);

struct EntryProblem {
  std::size_t index = 0;  // in the list, from 0
  std::string message;
};
// An entry is neither empty nor given twice, and `check` finds nothing wrong with it.
std::vector<EntryProblem> problems_with_entries(
    const std::vector<std::string>& entries,
    const std::function<std::optional<std::string>(std::string_view)>& check);

// host:port of a local address; who listens resolves it.
Read<std::string> read_listen(const std::string& text);

// The text with control characters as \xNN: it neither moves the cursor nor breaks a line.
std::string printable(std::string_view text);

// The same in quotation marks, and shortened.
std::string in_quotes(std::string_view text);

}  // namespace switchgear::config
