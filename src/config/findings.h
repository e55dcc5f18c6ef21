// What is found while a configuration is read: which value was given where, and what is wrong.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/problem.h"

namespace switchgear::config {

// Where a value came from. Ordered as problems are told: the file by line, then the variables, then
// the flags.
struct Place {
  enum class From : unsigned char { file, environment, flag };
  From from = From::file;
  int line = 0;  // from 1; 0: not of the file
  int column = 0;
  std::string text;  // as the person knows it
  auto order() const { return std::tuple(from, line, column); }
};

std::string join(std::string_view path, std::string_view key);

class Findings {
 public:
  explicit Findings(std::string file_name) : file_name_(std::move(file_name)) {}

  Place in_file(int line, int column, std::string_view path) const;

  void problem(Place place, std::string message);
  void warning(const Place& place, std::string message);

  // The value of the key `path`, or the circuit `path`, was given there. The last one holds.
  void given(const std::string& path, const Place& place) { places_[path] = place; }
  const Place* where(const std::string& path) const;  // null: not given
  void unreadable(const std::string& path, bool is = true);
  bool is_unreadable(const std::string& path) const { return unreadable_.contains(path); }

  // What validate() says of `path`, each placed at the value, and without what merely follows from
  // a value that could not be read.
  void report(const std::string& path, const Problems& found);

  // In the order of places, then of finding.
  Problems problems() const;
  const Problems& warnings() const { return warnings_; }

 private:
  struct PlacedProblem {
    std::size_t number = 0;  // in the order of finding
    Place place;
    std::string message;
  };

  Place place_of(const std::string& key, const std::string& message) const;

  std::string file_name_;
  std::vector<PlacedProblem> problems_;
  Problems warnings_;
  std::map<std::string, Place> places_;
  std::set<std::string> unreadable_;
};

}  // namespace switchgear::config
