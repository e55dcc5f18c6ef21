#include "cli/version.h"

#include <openssl/crypto.h>

#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/terminal.h"
#include "config/json_writer.h"

namespace switchgear::cli {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

int print_version(Context& context, Output output) {
  const char* openssl = OpenSSL_version(OPENSSL_VERSION_STRING);
  if (output == Output::json) {
    config::JsonWriter json;
    json.begin_object();
    json.member("version", SWITCHGEAR_VERSION).member("compiler", kCompiler);
    json.member("openssl", openssl).member("build_type", SWITCHGEAR_BUILD_TYPE).end_object();
    context.out << json.text();
    return kDone;
  }
  context.out << "switchgear " << SWITCHGEAR_VERSION << '\n';
  Facts facts;
  facts.add("compiler", kCompiler);
  facts.add("openssl", openssl);
  facts.add("build", SWITCHGEAR_BUILD_TYPE);
  facts.print(context.out, context.colour);
  return kDone;
}

}  // namespace

std::string_view version() { return SWITCHGEAR_VERSION; }

void add_version(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(parent, "version", "the version and what it was built with",
                                  {"switchgear version", "switchgear version --output json"});
  const auto output = std::make_shared<Output>(Output::table);
  add_output_option(*command, *output);
  command->callback([&chosen, output] {
    chosen = [output](Context& context) { return print_version(context, *output); };
  });
}

}  // namespace switchgear::cli
