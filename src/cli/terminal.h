// Output for people: tables, colours, times.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "core/state.h"
#include "core/time.h"

namespace switchgear::cli {

enum class Colour : unsigned char { none, red, yellow, green, bold };

struct Cell {
  std::string text;
  Colour colour = Colour::none;
  Cell(std::string t, Colour c = Colour::none) : text(std::move(t)), colour(c) {}
  Cell(const char* t) : text(t) {}
};

// Left-aligned columns, two spaces apart, with a header. Control characters in cells are escaped.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void add(std::vector<Cell> row);
  void print(std::ostream& out, bool colour) const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

// "name:   value" lines, the values aligned.
class Facts {
 public:
  void add(std::string name, Cell value);
  void print(std::ostream& out, bool colour) const;

 private:
  std::vector<std::pair<std::string, Cell>> facts_;
};

std::string coloured(std::string_view text, Colour colour, bool wanted);

// "2026-01-31T12:00:00.250Z"
std::string iso_time(StoreTime t);
// "3m 20s", "2d 4h", "0.4s": two units at most.
std::string short_duration(Duration d);
// Three digits: "0.0123", "26", "315000", "1.2e+08".
std::string short_number(double number);
// "1 instance", "3 instances".
std::string count(double number, const std::string& one);

Colour colour_of(State state);

}  // namespace switchgear::cli
