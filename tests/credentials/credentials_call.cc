// What the client knows of credentials and endpoints, for the tests beside: each line on stdin is a
// JSON object, each line on stdout what comes of it.
//   {"endpoint": SERVICE, "region", "fips", "dual_stack"}   {"url"} or {"error"}
//   {"sts": ACTION, "role", "session", "external", "duration", "token"}   {"body"}
//   {"answer": ACTION, "body"}          {"key", "expires"} or {"error"}
//   {"get": {VARIABLE: VALUE, …}}       the same, "token" and "name"
#include <boost/json.hpp>
#include <iostream>
#include <map>
#include <optional>
#include <string>

#include "aws/credential_chain.h"
#include "aws/credentials_answer.h"
#include "aws/endpoint.h"
#include "aws/role_credentials.h"

namespace {

namespace json = boost::json;
namespace sg = switchgear;
namespace aws = switchgear::aws;

std::string text(const json::object& in, const char* name) {
  const auto* value = in.if_contains(name);
  return value == nullptr ? "" : std::string(value->as_string());
}

bool is_set(const json::object& in, const char* name) {
  const auto* value = in.if_contains(name);
  return value != nullptr && value->as_bool();
}

aws::Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    if (it == values.end()) return std::nullopt;
    return it->second;
  };
}

json::object endpoint(const json::object& in) {
  std::map<std::string, std::string> values;
  if (is_set(in, "fips")) values["AWS_USE_FIPS_ENDPOINT"] = "true";
  if (is_set(in, "dual_stack")) values["AWS_USE_DUALSTACK_ENDPOINT"] = "TRUE";
  const auto found = aws::resolve_endpoint(
      {.service = text(in, "endpoint"), .region = text(in, "region")}, environment(values));
  if (!found) return {{"error", found.error().text()}};
  return {{"url", found->url.text()}};
}

json::object request(const json::object& in) {
  aws::Role role{.arn = text(in, "role"),
                 .session_name = text(in, "session"),
                 .external_id = text(in, "external")};
  if (in.contains("duration")) role.duration_seconds = in.at("duration").to_number<int>();
  return {{"body", text(in, "sts") == "AssumeRole"
                       ? aws::assume_role_request(role)
                       : aws::web_identity_request(role, text(in, "token"))}};
}

json::object shown(const sg::Result<aws::Credentials>& got) {
  if (!got) return {{"error", got.error().text()}};
  json::object out{{"key", got->access_key_id}};
  if (got->expires) {
    out["expires"] =
        std::chrono::duration_cast<std::chrono::seconds>(got->expires->time_since_epoch()).count();
  }
  return out;
}

json::object get(const json::object& in) {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : in.at("get").as_object()) {
    values[std::string(name)] = std::string(value.as_string());
  }
  const auto profile = aws::load_profile(environment(values));
  if (!profile) return {{"error", profile.error().text()}};
  sg::net::Loop loop;
  const auto provider = aws::default_credentials(loop, *profile);
  if (!provider) return {{"error", provider.error().text()}};
  std::optional<sg::Result<aws::CredentialsPtr>> got;
  (*provider)->get([&](sg::Result<aws::CredentialsPtr> result) { got = std::move(result); });
  loop.run_until([&] { return got.has_value(); }, std::chrono::seconds(60));
  if (!got) return {{"error", "no answer"}};
  if (!*got) return {{"error", got->error().text()}};
  json::object out = shown(***got);
  if (const std::string& token = (**got)->session_token; !token.empty()) out["token"] = token;
  out["name"] = (*provider)->name();
  return out;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const json::object in = json::parse(line).as_object();
    json::object out;
    if (in.contains("endpoint")) {
      out = endpoint(in);
    } else if (in.contains("sts")) {
      out = request(in);
    } else if (in.contains("answer")) {
      out = shown(aws::read_sts_credentials(text(in, "body"), text(in, "answer")));
    } else {
      out = get(in);
    }
    std::cout << json::serialize(out) << std::endl;
  }
}
