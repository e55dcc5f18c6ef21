#include <algorithm>

#include "controller/templates/template.h"

namespace switchgear::controller {
namespace {

// Indents all lines but the first by as much as the text before it on its own line is wide, if that
// is blank.
std::string indented(const std::string& value, std::size_t columns) {
  std::string text;
  for (const char c : value) {
    text += c;
    if (c == '\n') text.append(columns, ' ');
  }
  return text;
}

std::string list(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return "[" + text + "]";
}

// Lines of at most 100 columns: an action per line where they are many.
std::string list_of_actions(const std::vector<std::string>& items) {
  if (items.size() <= 3) return "Action: " + list(items);
  std::string text = "Action:";
  for (const std::string& item : items) text += "\n    - " + item;
  return text;
}

std::string list_of_resources(const std::vector<std::string>& items) {
  if (items.size() == 1) return "Resource: " + items.front();
  std::string text = "Resource:";
  for (const std::string& item : items) text += "\n    - " + item;
  return text;
}

}  // namespace

std::string fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string filled(text);
  for (const auto& [name, value] : values) {
    const std::string placeholder = "{" + std::string(name) + "}";
    for (auto at = filled.find(placeholder); at != std::string::npos;
         at = filled.find(placeholder, at)) {
      const auto newline = filled.rfind('\n', at);
      const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
      const std::size_t first = filled.find_first_not_of(' ', line);
      const std::string put = indented(value, first == at ? at - line : 0);
      filled.replace(at, placeholder.size(), put);
      at += put.size();
    }
  }
  return filled;
}

std::string policy_text(const std::vector<Statement>& statements) {
  std::string text;
  for (const Statement& statement : statements) {
    if (!text.empty()) text += '\n';
    text += "# " + statement.why + "\n- Effect: Allow\n  " + list_of_actions(statement.actions) +
            "\n  " + list_of_resources(statement.resources);
    if (!statement.condition.empty()) text += "\n  Condition: " + statement.condition;
  }
  return text;
}

}  // namespace switchgear::controller
