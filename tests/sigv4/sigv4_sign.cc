// Signs requests for the differential test: each line on stdin is a JSON object {method, target,
// headers: [[name, value]], body, access_key, secret_key, token, region, service, time} (time in
// seconds since 1970); each line on stdout the headers to add, as an object.
#include <boost/json.hpp>
#include <iostream>
#include <string>

#include "aws/sigv4.h"

int main() {
  namespace json = boost::json;
  namespace sg = switchgear;
  std::string line;
  while (std::getline(std::cin, line)) {
    const json::object in = json::parse(line).as_object();
    const auto text = [&](const char* name) { return std::string(in.at(name).as_string()); };
    sg::net::HttpRequest request{
        .method = text("method"), .target = text("target"), .body = text("body")};
    for (const json::value& header : in.at("headers").as_array()) {
      request.headers.add(std::string(header.at(0).as_string()),
                          std::string(header.at(1).as_string()));
    }
    const sg::aws::Signature signature =
        sign(request,
             sg::aws::Credentials{.access_key_id = text("access_key"),
                                  .secret_access_key = text("secret_key"),
                                  .session_token = text("token")},
             sg::aws::SigningScope{.region = text("region"), .service = text("service")},
             sg::WallTime(std::chrono::seconds(in.at("time").to_number<std::int64_t>())));
    json::object out;
    for (const auto& [name, value] : signature.headers) out[name] = value;
    std::cout << json::serialize(out) << "\n";
  }
}
