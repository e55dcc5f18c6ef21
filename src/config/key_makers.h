// Makes the entries of the tables of keys.h: one function per kind.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/keys.h"
#include "config/values.h"
#include "core/suggest.h"

namespace switchgear::config {

// In a template the check does not see that they are moved.
// NOLINTBEGIN(performance-unnecessary-value-param)

// Makes a key of T from a way to its member, `member(target) -> reference`, and the reader and
// writer of its kind.
template <class T, class Member, class Reader, class Writer>
Key<T> key(KeyInfo info, Member member, Reader reader, Writer writer) {
  Key<T> made;
  static_cast<KeyInfo&>(made) = std::move(info);
  made.set = [member, reader](T& target, const std::string& text) -> std::optional<std::string> {
    auto value = reader(text);
    if (!value) return value.error();
    member(target) = std::move(*value);
    return std::nullopt;
  };
  made.get = [member, writer](const T& target) -> std::string { return writer(member(target)); };
  made.default_value = made.get(T{});
  return made;
}

struct Range {
  std::string min;
  std::string max;
};

inline KeyInfo info(std::string name, Kind kind, std::string description, Range range = {},
                    std::vector<std::string> synonyms = {}) {
  return {.name = std::move(name),
          .kind = kind,
          .min = std::move(range.min),
          .max = std::move(range.max),
          .choices = {},
          .description = std::move(description),
          .synonyms = std::move(synonyms),
          .default_value = {}};
}

template <class T, class M>
Key<T> duration(std::string name, M member, Range range, std::string description,
                std::vector<std::string> synonyms = {}) {
  return key<T>(
      info(std::move(name), Kind::duration, std::move(description), range, std::move(synonyms)),
      member, read_duration, write_duration);
}

template <class T, class M>
Key<T> rate(std::string name, M member, Range range, std::string description) {
  return key<T>(info(std::move(name), Kind::rate, std::move(description), range), member, read_rate,
                write_rate);
}

template <class T, class M>
Key<T> number(std::string name, M member, Range range, std::string description) {
  return key<T>(info(std::move(name), Kind::number, std::move(description), range), member,
                read_number, write_number);
}

template <class T, class M>
Key<T> integer(std::string name, M member, Range range, std::string description,
               std::vector<std::string> synonyms = {}) {
  return key<T>(
      info(std::move(name), Kind::integer, std::move(description), range, std::move(synonyms)),
      member, read_integer, [](int n) { return std::to_string(n); });
}

template <class T, class M>
Key<T> boolean(std::string name, M member, std::string description) {
  return key<T>(info(std::move(name), Kind::boolean, std::move(description)), member, read_boolean,
                [](bool b) { return std::string(b ? "true" : "false"); });
}

inline std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  }
  return text;
}

// The words stand for the values of the enumeration in its own order.
template <class T, class Enum, class M>
Key<T> choice(std::string name, M member, std::vector<std::string> words, std::string description) {
  const auto read_word = [words](const std::string& text) -> Read<Enum> {
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == text) return static_cast<Enum>(i);
    }
    return tl::unexpected(in_quotes(text) + " is not known here; write " + listed(words) +
                          core::did_you_mean(text, words));
  };
  KeyInfo about = info(std::move(name), Kind::choice, std::move(description));
  about.choices = words;
  return key<T>(std::move(about), member, read_word,
                [words](Enum value) { return words[static_cast<std::size_t>(value)]; });
}

template <class T, class M, class Reader>
Key<T> text_key(std::string name, Kind kind, M member, Reader reader, std::string description) {
  return key<T>(info(std::move(name), kind, std::move(description)), member, reader,
                [](const std::string& s) { return s; });
}

// `check` says what is wrong with one entry, if anything is.
template <class T, class M, class Check>
Key<T> list(std::string name, M member, Check check, std::string description) {
  const auto problems_with = [check](const std::vector<std::string>& entries) {
    return problems_with_entries(entries, check);
  };
  const auto read = [problems_with](const std::string& text) -> Read<std::vector<std::string>> {
    auto entries = split_list(text);
    if (const auto problems = problems_with(entries); !problems.empty()) {
      return tl::unexpected(problems.front().message);
    }
    return entries;
  };
  auto made =
      key<T>(info(std::move(name), Kind::list, std::move(description)), member, read, write_list);
  made.set_entries = [member, problems_with](T& target, std::vector<std::string> entries) {
    auto problems = problems_with(entries);
    if (problems.empty()) member(target) = std::move(entries);
    return problems;
  };
  return made;
}
// NOLINTEND(performance-unnecessary-value-param)

}  // namespace switchgear::config
