// Any bytes: the parser neither crashes nor reads beyond its limits, and finds the same values in
// one piece as in pieces.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "net/resp.h"

namespace resp = switchgear::net::resp;

namespace {

constexpr resp::Limits kLimits{.depth_max = 4,
                               .line_bytes_max = 200,
                               .bulk_bytes_max = 300,
                               .value_bytes_max = 1'000,
                               .value_items_max = 100};

// The values as text, so that "not a number" equals itself; then the error, if any.
std::vector<std::string> parse(std::string_view bytes, std::size_t piece_size) {
  resp::Parser parser(kLimits);
  std::vector<std::string> found;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, piece_size);
    bytes.remove_prefix(piece.size());
    while (true) {
      auto value = parser.next(piece);
      if (!value) {
        found.push_back("error: " + value.error().message);
        return found;
      }
      if (!*value) break;
      found.push_back(resp::to_string(**value));
    }
    if (!piece.empty()) std::abort();
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece_size = 1 + data[0] % 16;
  const auto whole = parse(bytes, size);
  const auto pieces = parse(bytes, piece_size);
  // Which limit breaks first may depend on the pieces; whether one breaks may not.
  if (whole.size() != pieces.size()) std::abort();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const bool both_errors = whole[i].starts_with("error: ") && pieces[i].starts_with("error: ");
    if (!both_errors && whole[i] != pieces[i]) std::abort();
  }
  return 0;
}
