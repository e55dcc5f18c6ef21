#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/config.h"

namespace switchgear::config {

Result<std::string> read_file(const std::string& path) {
  const auto failure = [&](const std::string& why) {
    return Error{.code = "config",
                 .message = "cannot read " + path + ": " + why +
                            "; check the path given with --config or SWITCHGEAR_CONFIG",
                 .retryable = false,
                 .source = ""};
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(std::strerror(errno));
  // One byte more than a configuration may have, so that the reader can tell.
  std::string text(1'000'001, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return failure(errno != 0 ? std::strerror(errno) : "it is not a regular file");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::string text(const Problems& problems) {
  std::string lines;
  for (const Problem& p : problems) lines += p.place + ": " + p.message + "\n";
  return lines;
}

}  // namespace switchgear::config
