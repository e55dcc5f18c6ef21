// Every key of the configuration, once: name, kind, range, default, description and how to set it.
// The reader, the JSON Schema and the reference for people are made from these tables.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/values.h"

namespace switchgear::config {

enum class Kind : unsigned char {
  duration,
  rate,
  number,
  integer,
  boolean,
  choice,
  text,
  secret_url,  // may hold a password: its value never appears in a message
};

// What is known of a key whatever it belongs to.
struct KeyInfo {
  std::string name;  // dots separate levels: "backoff.base"
  Kind kind = Kind::text;
  // The range, in the key's own notation; empty: none, or said in the description. Checked by
  // validate() of what the key belongs to; a test holds the two together.
  std::string min;
  std::string max;
  std::vector<std::string> choices;  // of Kind::choice
  std::string description;
  std::vector<std::string> synonyms;
  std::string default_value;  // in the key's own notation; empty: not set
};

template <class T>
struct Key : KeyInfo {
  // Sets the key in `target`, or says what is wrong with the text.
  std::function<std::optional<std::string>(T& target, const std::string& text)> set;
  std::function<std::string(const T& target)> get;
};

// The keys of one entry of `circuits`.
const std::vector<Key<Policy>>& circuit_keys();
// All other keys, from the root: "store", "worker.queue", "worker.backoff.base".
const std::vector<Key<Config>>& root_keys();

// What to say about words that people bring along from other circuit breakers and that are no
// synonyms; empty for all others.
std::string_view foreign_key_advice(std::string_view key);

}  // namespace switchgear::config
