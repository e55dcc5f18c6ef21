#include "cli/terminal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "config/values.h"

namespace switchgear::cli {
namespace {

// Columns on a terminal, as long as nobody writes wide characters: bytes that begin a character.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string coloured(std::string_view text, Colour colour, bool wanted) {
  std::string shown = config::printable(text);
  if (!wanted || colour == Colour::none) return shown;
  constexpr std::array<std::string_view, 5> kCodes{"", "31", "33", "32", "1"};
  return "\x1b[" + std::string(kCodes[static_cast<std::size_t>(colour)]) + "m" + shown + "\x1b[0m";
}

Table::Table(std::vector<std::string> header) {
  std::vector<Cell> row;
  for (std::string& name : header) row.emplace_back(std::move(name), Colour::bold);
  rows_.push_back(std::move(row));
}

void Table::add(std::vector<Cell> row) {
  row.resize(rows_.front().size(), Cell(""));
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out, bool colour) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(config::printable(row[i].text)));
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += coloured(row[i].text, row[i].colour, colour);
      if (i + 1 < row.size()) {
        line.append(widths[i] - width(config::printable(row[i].text)) + 2, ' ');
      }
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

void Facts::add(std::string name, Cell value) {
  facts_.emplace_back(std::move(name), std::move(value));
}

void Facts::print(std::ostream& out, bool colour) const {
  std::size_t widest = 0;
  for (const auto& [name, value] : facts_) widest = std::max(widest, name.size());
  for (const auto& [name, value] : facts_) {
    out << name << ':' << std::string(widest - name.size() + 1, ' ')
        << coloured(value.text, value.colour, colour) << '\n';
  }
}

std::string iso_time(StoreTime t) {
  const auto day = std::chrono::floor<std::chrono::days>(t.time_since_epoch());
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss time(t.time_since_epoch() - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return text;
}

std::string short_duration(Duration d) {
  if (d < Duration::zero()) return "-" + short_duration(-d);
  if (d < 10s) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1fs", to_seconds(d));
    return text;
  }
  struct Unit {
    const char* name;
    std::int64_t seconds;
  };
  constexpr std::array<Unit, 4> kUnits{{{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}};
  std::int64_t left = std::chrono::floor<std::chrono::seconds>(d).count();
  std::string text;
  int shown = 0;
  for (const Unit& unit : kUnits) {
    if (left < unit.seconds && shown == 0) continue;
    if (const std::int64_t n = left / unit.seconds; n > 0) {
      text += (text.empty() ? "" : " ") + std::to_string(n) + unit.name;
    }
    left %= unit.seconds;
    if (++shown == 2) break;
  }
  return text;
}

std::string short_number(double number) {
  char text[40];
  if (!std::isfinite(number)) return number > 0 ? "never" : "?";
  const bool whole = number >= 100 && number < 1e7;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.3g", number);
  return text;
}

std::string count(double number, const std::string& one) {
  return short_number(number) + " " + one + (number == 1 ? "" : "s");
}

Colour colour_of(State state) {
  switch (state) {
    case State::closed:
      return Colour::green;
    case State::open:
      return Colour::red;
    default:
      return Colour::yellow;
  }
}

}  // namespace switchgear::cli
