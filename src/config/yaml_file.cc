#include "config/yaml_file.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>

namespace switchgear::config {
namespace {

// Hears where documents begin.
class Documents : public YAML::EventHandler {
 public:
  YAML::Mark begin;
  void OnDocumentStart(const YAML::Mark& mark) override { begin = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

}  // namespace

YamlFile parse_yaml(const std::string& text) {
  YamlFile file;
  try {
    file.root = YAML::Load(text);
    // LoadAll() would ask for documents without end where one of them takes up nothing: `!a,`.
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Documents documents;
    if (parser.HandleNextDocument(documents) && parser.HandleNextDocument(documents)) {
      file.second = documents.begin;
    }
  } catch (const YAML::Exception& e) {
    file.error = e.msg;
    file.error_mark = e.mark;
  }
  return file;
}

}  // namespace switchgear::config
