// Real servers that speak DynamoDB, as processes of a test's own. scripts/peers.sh installs them.
//
// What each does otherwise than AWS:
//   ministack  (1.4.21) gives a scan in one page, however long; removes what has expired once a
//              minute.
//   dynalite   (4.0.0) never returns the old item of a failed condition. Knows no UpdateTimeToLive
//              (UnknownOperationException) and no transactions. Closes a connection that was
//              unused for 5 s.
//   dynamodb_local  (3.3.1, Amazon's own) only where SWITCHGEAR_DYNAMODB_LOCAL=1 accepts its
//   licence;
//              CONTRIBUTING.md says which. By its documentation it never tells the billing mode,
//              takes none but letters and digits in an access key's id, and listens on every
//              address of the machine.
// None throttles, gives stale reads or checks signatures. AWS cuts pages at 1 MB, as dynalite and
// DynamoDB Local, and returns the old item, as MiniStack and DynamoDB Local.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/server_process_for_tests.h"

namespace switchgear::aws {

// The kinds there are, for parametrised suites.
inline const std::vector<std::string>& dynamodb_server_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> all{"ministack", "dynalite"};
    const char* accepted = std::getenv("SWITCHGEAR_DYNAMODB_LOCAL");
    if (accepted != nullptr && std::string_view(accepted) == "1") all.push_back("dynamodb_local");
    return all;
  }();
  return kinds;
}

// Empty. A server that does not start fails the test.
class DynamoDbServer final : public net::ServerProcess {
 public:
  explicit DynamoDbServer(std::string kind) : ServerProcess("dynamodb"), kind_(std::move(kind)) {
    start_on_a_free_port();
    EXPECT_TRUE(running()) << kind_ << " does not start; install the test peers with "
                           << "scripts/peers.sh\n"
                           << log();
  }

  // One server of that kind for the whole program, started by the first who asks: starting takes
  // a second or two. Tests that share it take tables of their own.
  static DynamoDbServer& shared(const std::string& kind) {
    static std::map<std::string, std::unique_ptr<DynamoDbServer>> servers;
    auto& server = servers[kind];
    if (!server) server = std::make_unique<DynamoDbServer>(kind);
    return *server;
  }

  const std::string& kind() const { return kind_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }
  bool returns_item_of_failed_condition() const { return kind_ != "dynalite"; }
  bool knows_time_to_live() const { return kind_ != "dynalite"; }
  bool cuts_pages() const { return kind_ != "ministack"; }
  bool tells_billing_mode() const { return kind_ != "dynamodb_local"; }

 private:
  // $SWITCHGEAR_CACHE, or .cache in the nearest folder above the program that has one: what
  // scripts/peers.sh prints.
  static std::filesystem::path cache() {
    namespace fs = std::filesystem;
    if (const char* set = std::getenv("SWITCHGEAR_CACHE"); set != nullptr && *set != '\0') {
      return fs::absolute(set);
    }
    std::error_code none;
    fs::path folder = fs::read_symlink("/proc/self/exe", none).parent_path();
    while (folder.has_relative_path() && !fs::exists(folder / ".cache", none)) {
      folder = folder.parent_path();
    }
    return folder / ".cache";
  }

  std::vector<std::string> command_line() const override {
    namespace fs = std::filesystem;
    const std::string port = std::to_string(this->port());
    if (kind_ == "dynalite") {
      return {cache() / "dynalite/node",
              cache() / "dynalite/node_modules/dynalite/cli.js",
              "--host",
              "127.0.0.1",
              "--port",
              port,
              "--createTableMs",
              "0",
              "--deleteTableMs",
              "0",
              "--updateTableMs",
              "0"};
    }
    if (kind_ == "dynamodb_local") {
      const fs::path folder = cache() / "dynamodb_local/lib";
      return {"java",
              "-Xmx256m",
              "-Djava.library.path=" + (folder / "DynamoDBLocal_lib").string(),
              "-jar",
              folder / "DynamoDBLocal.jar",
              "-inMemory",
              "-sharedDb",
              "-disableTelemetry",
              "-port",
              port};
    }
    // Under uvicorn as in tests/peers/peers.py, which says why. uvicorn renews its Date header
    // once a second, so that it may be a second late; here each answer gets the time it is given.
    return {cache() / "py/bin/python", "-c", R"(
import sys, uvicorn
from email.utils import formatdate
from ministack.app import app

async def dated(scope, receive, send):
    async def stamped(message):
        if message["type"] == "http.response.start":
            date = (b"date", formatdate(usegmt=True).encode())
            message = {**message, "headers": [*message.get("headers", []), date]}
        await send(message)
    await app(scope, receive, stamped)

uvicorn.run(dated, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning",
            access_log=False, date_header=False)
)",
            port};
  }

  std::map<std::string, std::string> environment() const override {
    return {{"PYTHONPATH", ""},         {"PYTHONHOME", ""},
            {"NODE_OPTIONS", ""},       {"LOG_LEVEL", "WARNING"},
            {"IOT_MTLS_ENABLED", "0"},  // or it listens on every address
            {"BIND_HOST", "127.0.0.1"}, {"GATEWAY_PORT", std::to_string(port())},
            {"AWS_ENDPOINT_URL", url()}};
  }

  // Whether it answers an HTTP request, whatever it says.
  bool answers() const override {
    constexpr std::string_view kRequest =
        "GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    return net::first_bytes_of_answer(port(), kRequest, 9) == "HTTP/1.1 ";
  }

  const std::string kind_;
};

}  // namespace switchgear::aws
