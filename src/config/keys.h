// Every key of the configuration, once: name, kind, range, default, description and how to set it.
// The reader, the JSON Schema and the reference for people are made from these tables.
#pragma once

#include <functional>
#include <map>
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
  list,        // of texts, none empty, none twice
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
  // Of Kind::list, where the entries are known apart: sets them unless there are problems.
  std::function<std::vector<EntryProblem>(T& target, std::vector<std::string> entries)> set_entries;
};

// The keys of one entry of `circuits`.
const std::vector<Key<Policy>>& circuit_keys();
// The keys of one entry of `controller.circuits`.
const std::vector<Key<ControlledCircuit>>& controlled_circuit_keys();
// All other keys, from the root: "store", "worker.queue", "worker.backoff.base".
const std::vector<Key<Config>>& root_keys();

// A mapping from names of circuits to settings for each.
template <class T>
struct Section {
  std::string_view path;  // "circuits", "controller.circuits"
  std::string_view description;
  std::string_view named_in;  // how to make a circuit known to it
  const std::vector<Key<T>>& keys;
  std::map<std::string, T>& (*circuits)(Config&);
};

// Calls `f` with each section there is.
template <class F>
void for_each_section(const F& f) {
  f(Section<Policy>{
      .path = "circuits",
      .description = "The circuits by name, each with the settings that differ from the defaults.",
      .named_in = "circuits in the file, or in worker.circuit",
      .keys = circuit_keys(),
      .circuits = [](Config& config) -> auto& { return config.circuits; }});
  f(Section<ControlledCircuit>{
      .path = "controller.circuits",
      .description = "The circuits that the controller enforces on event source mappings, by name. "
                     "Their other settings are under circuits, or all defaults.",
      .named_in = "controller.circuits in the file",
      .keys = controlled_circuit_keys(),
      .circuits = [](Config& config) -> auto& { return config.controller.circuits; }});
}

// "circuits" of the section "controller.circuits" for the group "controller."; empty where the
// section is not right below the group.
std::optional<std::string> name_below(std::string_view section_path, std::string_view group);

// What to say about words that people bring along from other circuit breakers and that are no
// synonyms; empty for all others.
std::string_view foreign_key_advice(std::string_view key);

}  // namespace switchgear::config
