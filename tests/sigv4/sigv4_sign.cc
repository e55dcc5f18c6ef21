// Signs requests for the differential test: each line on stdin is a JSON object {method, target,
// headers: [[name, value]], body, access_key, secret_key, token, region, service, time} (time in
// seconds since 1970); each line on stdout the headers to add, as an object. With "expires"
// (seconds) the answer is instead {"target"}, signed in the query; with "cache" too {"token"}, the
// ElastiCache token of the user "user" of that cache.
#include <boost/json.hpp>
#include <iostream>
#include <string>

#include "aws/elasticache_token.h"
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
    const sg::aws::Credentials credentials{.access_key_id = text("access_key"),
                                           .secret_access_key = text("secret_key"),
                                           .session_token = text("token")};
    const sg::aws::SigningScope scope{.region = text("region"), .service = text("service")};
    const sg::WallTime time(std::chrono::seconds(in.at("time").to_number<std::int64_t>()));
    json::object out;
    if (in.contains("cache")) {
      out["token"] = elasticache_token({.cache = text("cache"),
                                        .user = text("user"),
                                        .region = scope.region,
                                        .serverless = in.at("serverless").as_bool()},
                                       credentials, time);
    } else if (in.contains("expires")) {
      const std::chrono::seconds validity(in.at("expires").to_number<int>());
      out["target"] = presign(request, credentials, scope, time, validity);
    } else {
      const sg::aws::Signature signature = sign(request, credentials, scope, time);
      for (const auto& [name, value] : signature.headers) out[name] = value;
    }
    std::cout << json::serialize(out) << "\n";
  }
}
