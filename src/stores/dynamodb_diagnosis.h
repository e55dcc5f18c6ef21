// The part of a diagnosis that is DynamoDB's own; see diagnosis.h.
#pragma once

#include <string>

#include "stores/diagnosis.h"
#include "stores/dynamodb_store.h"

namespace switchgear::stores {

void examine(Examination& examination, DynamoDbStore& store);

// Whether AWS refused a request for want of a right.
bool is_denied(const Error& error);
// Whether the credentials themselves are refused, or there are none.
bool is_login_trouble(const Error& error);
// "dynamodb:GetItem": what the refusal names, else `assumed`.
std::string denied_action(const Error& error, const std::string& assumed);

}  // namespace switchgear::stores
