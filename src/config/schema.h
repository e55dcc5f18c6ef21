// What the tables of keys look like to others: the JSON Schema for editors, and a reference for
// people.
#pragma once

#include <string>

namespace switchgear::config {

// JSON Schema, draft-07, of switchgear.yaml: every key with description, kind, range and default.
std::string json_schema();

// Every key with kind, range, default, environment variable and description, as plain text.
std::string reference();

}  // namespace switchgear::config
