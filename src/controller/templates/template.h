// SAM templates of everything that `switchgear template` prints. Pure: options in, text out.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "controller/templates/cost.h"
#include "controller/templates/options.h"

namespace switchgear::controller {

// What a role of the template may do, as one statement of its policy.
struct Statement {
  std::string why;  // one line, for a comment
  std::vector<std::string> actions;
  std::vector<std::string> resources;  // YAML values, such as "*" or !Sub …; one at least
  std::string condition;               // JSON; empty: none
};

struct Template {
  std::string text;  // YAML
  std::vector<Statement> statements;
  Costs costs;
  // What a person must know or do besides, a sentence each.
  std::vector<std::string> notes;
};

// Of valid options.
Template make_template(const TemplateOptions& options);

// ---- The parts
// ----------------------------------------------------------------------------------- `text` with
// each {name} replaced by its value; lines of values keep the indentation of the line that the name
// begins.
std::string fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values);

// "!Ref Mapping" or the UUID itself: as a YAML value, and as it stands within !Sub.
std::string mapping_value(const TemplateOptions& options);
std::string mapping_in_sub(const std::string& uuid);

std::string mapping_resource(const TemplateOptions& options);  // empty: it is there already
std::string alarm_resources(const TemplateOptions& options);
std::vector<Statement> controller_statements(const TemplateOptions& options);
std::string controller_resources(const TemplateOptions& options,
                                 const std::vector<Statement>& statements);
// As the Statement list of a policy document, from column 0.
std::string policy_text(const std::vector<Statement>& statements);
// switchgear.yaml for !Sub; empty: it is packaged.
std::string controller_configuration(const TemplateOptions& options);

Template make_fis_template(const TemplateOptions& options);

}  // namespace switchgear::controller
