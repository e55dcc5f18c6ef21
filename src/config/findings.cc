#include "config/findings.h"

#include <algorithm>
#include <utility>

namespace switchgear::config {
namespace {

// Whether `word` stands in `text` by itself.
bool mentions(std::string_view text, std::string_view word) {
  const auto is_part = [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); };
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) {
      return true;
    }
  }
  return false;
}

// What the key belongs to: all of it before its last dot, since only names of circuits may hold
// dots of their own.
std::string owner_of(const std::string& key) { return key.substr(0, key.rfind('.')); }

// Whether the message is about `other` too, a key beside those that `owner` has.
bool concerns(const std::string& message, const std::string& other, const std::string& owner) {
  return other.size() > owner.size() + 1 && other.starts_with(owner) &&
         other[owner.size()] == '.' &&
         mentions(message, std::string_view(other).substr(owner.size() + 1));
}

}  // namespace

std::string join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : std::string(path) + "." + std::string(key);
}

Place Findings::in_file(int line, int column, std::string_view path) const {
  std::string text = file_name_ + ":" + std::to_string(line) + ":" + std::to_string(column);
  if (!path.empty()) text += ": " + std::string(path);
  return {Place::From::file, line, column, std::move(text)};
}

void Findings::problem(Place place, std::string message) {
  problems_.push_back({problems_.size(), std::move(place), std::move(message)});
}

void Findings::warning(const Place& place, std::string message) {
  warnings_.push_back({place.text, std::move(message)});
}

const Place* Findings::where(const std::string& path) const {
  const auto at = places_.find(path);
  return at == places_.end() ? nullptr : &at->second;
}

void Findings::unreadable(const std::string& path, bool is) {
  if (is) {
    unreadable_.insert(path);
  } else {
    unreadable_.erase(path);
  }
}

void Findings::report(const std::string& path, const Problems& found) {
  for (const Problem& p : found) {
    const std::string key = join(path, p.place);
    // What could not be read is still at its default here: nothing that follows from that concerns
    // the person.
    const bool follows = std::ranges::any_of(unreadable_, [&](const std::string& other) {
      return other == key || concerns(p.message, other, owner_of(key));
    });
    if (!follows) problem(place_of(key, p.message), p.message);
  }
}

// Of the value. Where that is a default: of a value that the message sets it against, else of what
// it belongs to.
Place Findings::place_of(const std::string& key, const std::string& message) const {
  if (const Place* at = where(key)) return *at;
  const std::string owner = owner_of(key);
  Place place;
  if (const Place* at = where(owner)) place = *at;
  for (const auto& [other, at] : places_) {
    if (concerns(message, other, owner)) place = at;
  }
  const std::string what = key + " (by default)";
  if (place.from == Place::From::file && place.line > 0) {
    return in_file(place.line, place.column, what);
  }
  place.text = (place.text.empty() ? "" : place.text + ": ") + what;
  return place;
}

Problems Findings::problems() const {
  auto placed = problems_;
  std::ranges::sort(placed, {}, [](const PlacedProblem& p) {
    return std::tuple_cat(p.place.order(), std::tuple(p.number));
  });
  Problems problems;
  for (auto& p : placed) problems.push_back({std::move(p.place.text), std::move(p.message)});
  return problems;
}

}  // namespace switchgear::config
