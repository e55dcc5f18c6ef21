#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>

#include "config/config.h"
#include "config/environment.h"
#include "config/keys.h"
#include "core/name.h"
#include "core/suggest.h"

namespace switchgear::config {
namespace {

constexpr std::size_t kFileBytesMax = 1'000'000;

// Where a value came from. Ordered as problems are told: the file by line, then the variables,
// then the flags.
struct Place {
  enum class From : unsigned char { file, environment, flag };
  From from = From::file;
  int line = 0;
  int column = 0;
  std::string text;
  auto order() const { return std::tuple(from, line, column); }
};

struct PlacedProblem {
  std::size_t number = 0;  // in the order of finding
  Place place;
  std::string message;
};

struct ParsedFile {
  std::vector<YAML::Node> documents;
  std::optional<std::string> error;
  YAML::Mark mark;
};

// yaml-cpp reports by exceptions; they end here.
ParsedFile parse(const std::string& text) {
  ParsedFile file;
  try {
    file.documents = YAML::LoadAll(text);
  } catch (const YAML::Exception& e) {
    file.error = e.msg;
    file.mark = e.mark;
  }
  return file;
}

std::string_view name_of(YAML::NodeType::value type) {
  switch (type) {
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Scalar:
      return "a single value";
    default:
      return "nothing";
  }
}

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

// Whether the line (from 0) has a colon at its end, and one before it: `store: memory:`.
bool ends_in_colon(std::string_view text, int line) {
  for (; line > 0; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, text.find('\n'));
  const std::size_t last = text.find_last_not_of(" \r");
  return last != std::string_view::npos && text[last] == ':' && text.find(": ") < last;
}

std::string join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : std::string(path) + "." + std::string(key);
}

class Reader {
 public:
  explicit Reader(const Input& input) : input_(input) {}

  Loaded run() {
    read_file();
    // Which circuits there are depends on worker.circuit, which any source may set.
    read_environment(/*of_circuits=*/false);
    read_overrides();
    adopt_circuits();
    read_environment(/*of_circuits=*/true);
    unite_timeouts();
    validate();
    std::ranges::sort(problems_, {}, [](const PlacedProblem& p) {
      return std::tuple_cat(p.place.order(), std::tuple(p.number));
    });
    for (auto& p : problems_) {
      loaded_.problems.push_back({std::move(p.place.text), std::move(p.message)});
    }
    return std::move(loaded_);
  }

 private:
  // ---- Places and problems ----------------------------------------------------------------
  Place file_place(const YAML::Mark& mark, std::string_view path) const {
    const int line = mark.is_null() ? 1 : mark.line + 1;
    const int column = mark.is_null() ? 1 : mark.column + 1;
    std::string text = input_.file_name + ":" + std::to_string(line) + ":" + std::to_string(column);
    if (!path.empty()) text += ": " + std::string(path);
    return {Place::From::file, line, column, std::move(text)};
  }
  void problem(Place place, std::string message) {
    problems_.push_back({problems_.size(), std::move(place), std::move(message)});
  }
  void warning(const Place& place, std::string message) {
    loaded_.warnings.push_back({place.text, std::move(message)});
  }

  // ---- The file ---------------------------------------------------------------------------
  void read_file() {
    if (input_.file_text.size() > kFileBytesMax) {
      problem(file_place(YAML::Mark::null_mark(), ""),
              "is larger than 1 MB, which no configuration is; is it the right file?");
      return;
    }
    const ParsedFile file = parse(input_.file_text);
    if (file.error) {
      problem(file_place(file.mark, ""),
              "is not well-formed YAML here: " + printable(*file.error) +
                  (ends_in_colon(input_.file_text, file.mark.line)
                       ? "; put a value that ends in a colon into quotation marks"
                       : "; check indentation (spaces, no tabs), colons and quotation marks"));
      return;
    }
    if (file.documents.size() > 1) {
      problem(file_place(file.documents[1].Mark(), ""),
              "a second document begins here; put everything into one, without ---");
    }
    if (file.documents.empty() || file.documents[0].IsNull()) return;
    const YAML::Node& root = file.documents[0];
    if (!root.IsMap()) {
      problem(file_place(root.Mark(), ""),
              "must be a mapping of keys to values, but is " + std::string(name_of(root.Type())) +
                  "; write for example: store: redis://127.0.0.1:6379");
      return;
    }
    read_keys(root, "", "", root_keys(), loaded_.config);
  }

  // Reads a mapping whose keys are those of `keys` that begin with `group`, and the sections right
  // below it.
  template <class T>
  void read_keys(const YAML::Node& map, const std::string& path, const std::string& group,
                 const std::vector<Key<T>>& keys, T& target) {
    const std::vector<std::string> sections = sections_below<T>(group);
    std::map<std::string, int> lines;  // of the keys seen, synonyms under the key's own name
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        problem(file_place(entry.first.Mark(), path),
                "a key must be a word, but is " + std::string(name_of(entry.first.Type())));
        continue;
      }
      const std::string written = entry.first.Scalar();
      const std::string written_path = join(path, shown_key(written));
      const Place place = file_place(entry.first.Mark(), written_path);

      const Key<T>* key = find(keys, group + written);
      const bool is_group = std::ranges::any_of(
          keys, [&](const Key<T>& k) { return k.name.starts_with(group + written + "."); });
      const bool is_section = std::ranges::find(sections, written) != sections.end();
      if (key == nullptr && !is_group && !is_section) {
        problem(place, unknown_key(written, keys, group, sections));
        continue;
      }
      const std::string name = key != nullptr ? key->name.substr(group.size()) : written;
      if (const auto [seen, fresh] = lines.emplace(name, place.line); !fresh) {
        problem(place, (name == written ? std::string("is") : "means " + name + ", which is") +
                           " given already in line " + std::to_string(seen->second) +
                           "; remove one of the two");
        continue;
      }
      if (key != nullptr) {
        read_value(*key, entry.second, join(path, name), place, target);
      } else if (is_group) {
        if (is_map(entry.second, place)) {
          read_keys(entry.second, written_path, group + written + ".", keys, target);
        }
      } else {
        for_each_section([&](const auto& section) {
          if (section.path == group + written) read_section(section, entry.second, place);
        });
      }
    }
  }

  // The names of the sections right below `group`; they are below the root only.
  template <class T>
  static std::vector<std::string> sections_below(const std::string& group) {
    std::vector<std::string> names;
    if constexpr (std::is_same_v<T, Config>) {
      for_each_section([&](const auto& section) {
        if (auto name = name_below(section.path, group)) names.push_back(std::move(*name));
      });
    }
    return names;
  }

  template <class T>
  static const Key<T>* find(const std::vector<Key<T>>& keys, std::string_view name) {
    for (const Key<T>& key : keys) {
      if (key.name == name || std::ranges::find(key.synonyms, name) != key.synonyms.end()) {
        return &key;
      }
    }
    return nullptr;
  }

  // Names from the file go into messages as they are, unless that would spoil the terminal.
  static std::string shown_key(const std::string& key) {
    return key.empty() || key.size() > 256 ? in_quotes(key) : printable(key);
  }

  template <class T>
  static std::string unknown_key(const std::string& written, const std::vector<Key<T>>& keys,
                                 const std::string& group, const std::vector<std::string>& others) {
    if (const auto advice = foreign_key_advice(written); !advice.empty()) {
      return std::string(advice);
    }
    if (written == "<<") {
      return "merging mappings with << is not supported; write the keys out";
    }
    std::vector<std::string> known = others;
    for (const Key<T>& key : keys) {
      if (!key.name.starts_with(group)) continue;
      const std::string rest = key.name.substr(group.size());
      const std::string child = rest.substr(0, rest.find('.'));
      if (std::ranges::find(known, child) == known.end()) known.push_back(child);
    }
    const std::string suggestion = core::did_you_mean(written, known);
    if (!suggestion.empty()) return "unknown key" + suggestion;
    std::ranges::sort(known);
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    return "unknown key; the keys here are " + list;
  }

  bool is_map(const YAML::Node& node, const Place& place) {
    if (node.IsMap()) return true;
    if (!node.IsNull()) {
      problem(place,
              "must be a mapping of keys to values, but is " + std::string(name_of(node.Type())));
    }
    return false;  // nothing there is the same as nothing in it
  }

  template <class T>
  void read_value(const Key<T>& key, const YAML::Node& node, const std::string& path,
                  const Place& place, T& target) {
    if (node.IsScalar()) {
      set(key, node.Scalar(), path, file_place(node.Mark(), path), target);
      return;
    }
    if (key.kind == Kind::list && node.IsSequence()) {
      read_list(key, node, path, target);
      return;
    }
    failed_.insert(path);
    if (node.IsNull()) {
      problem(place, "has no value; " + (key.default_value.empty()
                                             ? std::string("write one, or remove the key")
                                             : "write for example " + key.default_value +
                                                   ", or remove the key, which means the same"));
    } else {
      const bool is_list = key.kind == Kind::list;
      problem(place, (is_list ? "must be a list, but is " : "must be a single value, but is ") +
                         std::string(name_of(node.Type())) +
                         (is_list ? "; write for example [a, b]" : ""));
    }
  }

  // Each problem is told at its entry.
  template <class T>
  void read_list(const Key<T>& key, const YAML::Node& list, const std::string& path, T& target) {
    places_[path] = file_place(list.Mark(), path);
    // What is no single value reads as an empty entry, which is a problem whatever the list.
    std::vector<std::string> entries;
    for (const auto& entry : list) {
      entries.push_back(entry.IsScalar() ? entry.Scalar() : std::string());
    }
    const auto problems = key.set_entries(target, std::move(entries));
    if (!problems.empty()) failed_.insert(path);
    for (const EntryProblem& p : problems) {
      const YAML::Node entry = list[p.index];
      const bool is_single = entry.IsScalar() || entry.IsNull();
      problem(file_place(entry.Mark(), path), is_single ? p.message
                                                        : "entry " + std::to_string(p.index + 1) +
                                                              " must be a single value, but is " +
                                                              std::string(name_of(entry.Type())));
    }
  }

  template <class T>
  void set(const Key<T>& key, const std::string& value, const std::string& path, const Place& place,
           T& target) {
    places_[path] = place;
    failed_.erase(path);
    if (const auto error = key.set(target, value)) {
      problem(place, *error);
      failed_.insert(path);
    }
  }

  template <class T>
  void read_section(const Section<T>& section, const YAML::Node& node, const Place& place) {
    if (!is_map(node, place)) return;
    std::map<std::string, int> lines;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        problem(file_place(entry.first.Mark(), section.path),
                "the name of a circuit must be a word");
        continue;
      }
      const std::string name = entry.first.Scalar();
      const std::string path = join(section.path, shown_key(name));
      const Place circuit_place = file_place(entry.first.Mark(), path);
      T unused;  // what is wrong below a wrong name is said all the same
      T* target = &unused;
      if (const auto bad = core::problem_with_circuit_name(name)) {
        problem(circuit_place, *bad);
      } else if (const auto [seen, fresh] = lines.emplace(name, circuit_place.line); !fresh) {
        problem(circuit_place, "is given already in line " + std::to_string(seen->second) +
                                   "; make one circuit of the two");
        continue;
      } else {
        target = &section.circuits(loaded_.config)[name];
        places_[path] = circuit_place;
      }
      if (is_map(entry.second, circuit_place)) {
        read_keys(entry.second, path, "", section.keys, *target);
      }
    }
  }

  // ---- The environment and the flags ------------------------------------------------------
  void read_environment(bool of_circuits) {
    using What = VariableMeaning::What;
    KnownCircuits known;
    for_each_section([&](const auto& section) {
      for (const auto& [name, settings] : section.circuits(loaded_.config)) {
        known[section.path].insert(name);
      }
    });
    auto variables = input_.environment;
    std::ranges::sort(variables);

    for (const auto& [variable, value] : variables) {
      // An empty variable is how start scripts say "not set".
      if (!variable.starts_with(kEnvironmentPrefix) || value.empty()) continue;
      const VariableMeaning meaning = meaning_of(variable, known);
      const Place place{Place::From::environment, 0, 0, variable};
      if (meaning.what == What::root_key) {
        if (of_circuits) continue;
        set(*find(root_keys(), meaning.key), value, meaning.key, place, loaded_.config);
      } else if (of_circuits && meaning.what == What::circuit_key) {
        set_circuit_key(meaning, value, place);
      } else if (of_circuits && meaning.what == What::ambiguous) {
        problem(place, meaning.message);
      } else if (of_circuits && meaning.what == What::unknown) {
        warning(place, meaning.message);
      }
    }
  }

  void set_circuit_key(const VariableMeaning& meaning, const std::string& value,
                       const Place& place) {
    for_each_section([&](const auto& section) {
      if (section.path != meaning.section) return;
      set(*find(section.keys, meaning.key), value,
          join(join(section.path, meaning.circuit), meaning.key), place,
          section.circuits(loaded_.config)[meaning.circuit]);
    });
  }

  void read_overrides() {
    for (const Override& o : input_.overrides) {
      const Place place{Place::From::flag, 0, 0, o.source};
      const Key<Config>* key = find(root_keys(), o.key);
      if (key == nullptr) {
        problem(place, "sets " + o.key + ", which is not a key");
      } else {
        set(*key, o.value, o.key, place, loaded_.config);
      }
    }
  }

  // Circuits that are named elsewhere get their policies.
  void adopt_circuits() {
    std::vector<std::string> known;
    for (const auto& [circuit, policy] : loaded_.config.circuits) known.push_back(circuit);
    if (const auto& name = loaded_.config.worker.circuit; !name.empty()) {
      adopt(name, "worker.circuit", known);
    }
    for (const auto& [name, circuit] : loaded_.config.controller.circuits) {
      adopt(name, "controller.circuits." + name, known);
    }
  }

  // `known` are those that the file has under circuits.
  void adopt(const std::string& name, const std::string& named_at,
             const std::vector<std::string>& known) {
    if (loaded_.config.circuits.contains(name)) return;
    const std::string parent(core::parent_of(name));
    if (const auto found = loaded_.config.circuits.find(parent);
        found != loaded_.config.circuits.end()) {
      loaded_.config.circuits.emplace(name, found->second);
      const auto place = places_.find("circuits." + parent + ".call_timeout");
      if (place != places_.end()) places_["circuits." + name + ".call_timeout"] = place->second;
      return;
    }
    if (const auto meant = core::closest(name, known)) {
      warning(places_[named_at], "no circuit " + name +
                                     " is under circuits, so all its settings are the defaults; "
                                     "did you mean `" +
                                     *meant + "`?");
    }
    loaded_.config.circuits[name];
  }

  // For the worker, the time a handler may take is the time a call of its circuit may take. Either
  // may be written.
  void unite_timeouts() {
    Config& config = loaded_.config;
    const auto circuit = config.circuits.find(config.worker.circuit);
    if (circuit == config.circuits.end()) return;
    const std::string handler_key = "worker.handler_timeout";
    const std::string call_key = "circuits." + circuit->first + ".call_timeout";
    if (failed_.contains(handler_key) || failed_.contains(call_key)) return;
    const auto handler_place = places_.find(handler_key);
    const auto call_place = places_.find(call_key);
    Duration& handler_timeout = config.worker.handler_timeout;
    Duration& call_timeout = circuit->second.call_timeout;

    if (handler_place == places_.end() && call_place != places_.end()) {
      handler_timeout = call_timeout;
      places_[handler_key] = call_place->second;
      return;
    }
    if (call_place != places_.end() && handler_timeout != call_timeout) {
      problem(call_place->second, "is " + write_duration(call_timeout) +
                                      ", but worker.handler_timeout, which for the "
                                      "circuit of the worker is the same, is " +
                                      write_duration(handler_timeout) + "; remove one of the two");
      return;
    }
    call_timeout = handler_timeout;
    if (handler_place != places_.end()) places_[call_key] = handler_place->second;
  }

  // ---- What single values cannot show -------------------------------------------------------
  void validate() {
    for (const auto& [name, policy] : loaded_.config.circuits) {
      const std::string path = "circuits." + name;
      Problems problems = policy.validate();
      // Written down, a default of the other rule is a misunderstanding too.
      const auto given = [&](std::string_view key) { return places_.contains(join(path, key)); };
      for (Problem& p : policy.rule_contradictions(given)) {
        if (std::ranges::find(problems, p) == problems.end()) problems.push_back(std::move(p));
      }
      report(path, problems);
    }
    report("worker", loaded_.config.worker.validate());
    ControllerSettings controller = loaded_.config.controller;
    for (const auto& [name, circuit] : std::exchange(controller.circuits, {})) {
      report("controller.circuits." + name, circuit.validate());
    }
    report("controller", controller.validate());
  }

  void report(const std::string& path, const Problems& found) {
    for (const Problem& p : found) {
      const std::string key = join(path, p.place);
      // What could not be read is still at its default here: nothing that follows from that
      // concerns the person.
      const bool follows = std::ranges::any_of(failed_, [&](const std::string& failed) {
        return failed == key || (failed.starts_with(path + ".") &&
                                 mentions(p.message, failed.substr(path.size() + 1)));
      });
      if (!follows) problem(place_of(path, key, p.message), p.message);
    }
  }

  // Of the value. Where that is a default: of a value that the message sets it against, else of
  // what it belongs to.
  Place place_of(const std::string& path, const std::string& key,
                 const std::string& message) const {
    if (const auto at = places_.find(key); at != places_.end()) return at->second;
    Place place;
    if (const auto at = places_.find(path); at != places_.end()) place = at->second;
    for (const auto& [other, at] : places_) {
      if (other.starts_with(path + ".") && mentions(message, other.substr(path.size() + 1))) {
        place = at;
      }
    }
    const std::string what = key + " (by default)";
    if (place.from == Place::From::file && place.line > 0) {
      place.text = input_.file_name + ":" + std::to_string(place.line) + ":" +
                   std::to_string(place.column) + ": " + what;
    } else {
      place.text = (place.text.empty() ? "" : place.text + ": ") + what;
    }
    return place;
  }

  const Input& input_;
  Loaded loaded_;
  std::vector<PlacedProblem> problems_;
  std::map<std::string, Place> places_;  // of every value given, by its key
  std::set<std::string> failed_;         // keys whose value could not be read
};

}  // namespace

Loaded read(const Input& input) { return Reader(input).run(); }

}  // namespace switchgear::config
