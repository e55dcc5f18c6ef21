// A text as YAML. The parser reports by exceptions; they end here.
#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>

namespace switchgear::config {

struct YamlFile {
  YAML::Node root;                   // of the first document; null if there is none
  std::optional<YAML::Mark> second;  // where a second document begins
  std::optional<std::string> error;
  YAML::Mark error_mark;
};

YamlFile parse_yaml(const std::string& text);

}  // namespace switchgear::config
