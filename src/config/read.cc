#include <algorithm>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include "config/config.h"
#include "config/environment.h"
#include "config/findings.h"
#include "config/keys.h"
#include "config/yaml_file.h"
#include "core/name.h"
#include "core/suggest.h"

namespace switchgear::config {
namespace {

constexpr std::size_t kFileBytesMax = 1'000'000;

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

// Whether the line (from 0) has a colon at its end, and one before it: `store: memory:`.
bool ends_in_colon(std::string_view text, int line) {
  for (; line > 0; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, text.find('\n'));
  const std::size_t last = text.find_last_not_of(" \r");
  return last != std::string_view::npos && text[last] == ':' && text.find(": ") < last;
}

class Reader {
 public:
  explicit Reader(const Input& input) : input_(input), found_(input.file_name) {}

  Loaded run() {
    read_file();
    // Which circuits there are depends on worker.circuit, which any source may set.
    read_environment(/*of_circuits=*/false);
    read_overrides();
    adopt_circuits();
    read_environment(/*of_circuits=*/true);
    unite_timeouts();
    validate();
    loaded_.problems = found_.problems();
    loaded_.warnings = found_.warnings();
    return std::move(loaded_);
  }

 private:
  Place file_place(const YAML::Mark& mark, std::string_view path) const {
    return mark.is_null() ? found_.in_file(1, 1, path)
                          : found_.in_file(mark.line + 1, mark.column + 1, path);
  }
  void problem(Place place, std::string message) {
    found_.problem(std::move(place), std::move(message));
  }

  // ---- The file ---------------------------------------------------------------------------
  void read_file() {
    if (input_.file_text.size() > kFileBytesMax) {
      problem(file_place(YAML::Mark::null_mark(), ""),
              "is larger than 1 MB, which no configuration is; is it the right file?");
      return;
    }
    const YamlFile file = parse_yaml(input_.file_text);
    if (file.error) {
      problem(file_place(file.error_mark, ""),
              "is not well-formed YAML here: " + printable(*file.error) +
                  (ends_in_colon(input_.file_text, file.error_mark.line)
                       ? "; put a value that ends in a colon into quotation marks"
                       : "; check indentation (spaces, no tabs), colons and quotation marks"));
      return;
    }
    if (file.second) {
      problem(file_place(*file.second, ""),
              "a second document begins here; put everything into one, without ---");
    }
    const YAML::Node& root = file.root;
    if (root.IsNull()) return;
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

  // For a key that means something elsewhere.
  template <class T>
  static std::optional<std::string> advice_on(const std::string& written) {
    if constexpr (std::is_same_v<T, Config>) return std::nullopt;
    std::optional<std::string> advice;
    for_each_section([&](const auto& section) {
      if (find(section.keys, written) == nullptr) return;
      advice = "is a key of " + std::string(section.path) +
               "; write it there, under the circuit of the same name";
    });
    if (advice || !std::is_same_v<T, Policy>) return advice;
    const auto foreign = foreign_key_advice(written);
    return foreign.empty() ? std::nullopt : std::optional(std::string(foreign));
  }

  template <class T>
  static std::string unknown_key(const std::string& written, const std::vector<Key<T>>& keys,
                                 const std::string& group, const std::vector<std::string>& others) {
    if (const auto advice = advice_on<T>(written)) return *advice;
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
    found_.unreadable(path);
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
    found_.given(path, file_place(list.Mark(), path));
    // What is no single value reads as an empty entry, which is a problem whatever the list.
    std::vector<std::string> entries;
    for (const auto& entry : list) {
      entries.push_back(entry.IsScalar() ? entry.Scalar() : std::string());
    }
    const auto problems = key.set_entries(target, std::move(entries));
    if (!problems.empty()) found_.unreadable(path);
    for (const EntryProblem& p : problems) {
      const YAML::Node entry = list[p.index];
      if (entry.IsScalar()) {
        problem(file_place(entry.Mark(), path), p.message);
      } else if (entry.IsNull()) {  // which has the mark of what comes next
        problem(file_place(list.Mark(), path), p.message);
      } else {
        problem(file_place(entry.Mark(), path), "entry " + std::to_string(p.index + 1) +
                                                    " must be a single value, but is " +
                                                    std::string(name_of(entry.Type())));
      }
    }
  }

  template <class T>
  void set(const Key<T>& key, const std::string& value, const std::string& path, const Place& place,
           T& target) {
    found_.given(path, place);
    found_.unreadable(path, false);
    if (const auto error = key.set(target, value)) {
      problem(place, *error);
      found_.unreadable(path);
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
      const auto bad = core::problem_with_circuit_name(name);
      const std::string path = join(section.path, bad ? shown_key(name) : name);
      const Place circuit_place = file_place(entry.first.Mark(), path);
      T unused;  // what is wrong below a wrong name is said all the same
      T* target = &unused;
      if (bad) {
        problem(circuit_place, *bad);
      } else if (const auto [seen, fresh] = lines.emplace(name, circuit_place.line); !fresh) {
        problem(circuit_place, "is given already in line " + std::to_string(seen->second) +
                                   "; make one circuit of the two");
        continue;
      } else {
        target = &section.circuits(loaded_.config)[name];
        found_.given(path, circuit_place);
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
        found_.warning(place, meaning.message);
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
      if (const Place* place = found_.where("circuits." + parent + ".call_timeout")) {
        found_.given("circuits." + name + ".call_timeout", *place);
      }
      return;
    }
    if (const auto meant = core::closest(name, known)) {
      found_.warning(*found_.where(named_at),
                     "no circuit " + name +
                         " is under circuits, so all its settings are the defaults; did you mean "
                         "`" +
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
    if (found_.is_unreadable(handler_key) || found_.is_unreadable(call_key)) return;
    const Place* const handler_place = found_.where(handler_key);
    const Place* const call_place = found_.where(call_key);
    Duration& handler_timeout = config.worker.handler_timeout;
    Duration& call_timeout = circuit->second.call_timeout;

    if (handler_place == nullptr && call_place != nullptr) {
      handler_timeout = call_timeout;
      found_.given(handler_key, *call_place);
      return;
    }
    if (call_place != nullptr && handler_timeout != call_timeout) {
      problem(*call_place, "is " + write_duration(call_timeout) +
                               ", but worker.handler_timeout, which for the "
                               "circuit of the worker is the same, is " +
                               write_duration(handler_timeout) + "; remove one of the two");
      return;
    }
    call_timeout = handler_timeout;
    if (handler_place != nullptr) found_.given(call_key, *handler_place);
  }

  // ---- What single values cannot show -------------------------------------------------------
  void validate() {
    for (const auto& [name, policy] : loaded_.config.circuits) {
      const std::string path = "circuits." + name;
      Problems problems = policy.validate();
      // Written down, a default of the other rule is a misunderstanding too.
      const auto given = [&](std::string_view key) {
        return found_.where(join(path, key)) != nullptr;
      };
      for (Problem& p : policy.rule_contradictions(given)) {
        if (std::ranges::find(problems, p) == problems.end()) problems.push_back(std::move(p));
      }
      found_.report(path, problems);
    }
    found_.report("worker", loaded_.config.worker.validate());
    found_.report("controller", loaded_.config.controller.validate());
  }

  const Input& input_;
  Findings found_;
  Loaded loaded_;
};

}  // namespace

Loaded read(const Input& input) { return Reader(input).run(); }

}  // namespace switchgear::config
