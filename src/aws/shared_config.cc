#include "aws/shared_config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace switchgear::aws {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

// Reads one file line by line into the sections of a SharedConfig.
class Reader {
 public:
  Reader(SharedFile kind, const std::string& file_name, SharedConfig& into)
      : kind_(kind), file_name_(file_name), into_(into) {}

  Result<void> line(std::string_view text) {
    ++number_;
    const std::string_view content = trim(text);
    if (content.empty() || content.front() == '#' || content.front() == ';') return {};
    if (is_space(text.front())) return indented(content);
    key_.clear();
    if (content.front() == '[') return header(content);
    const auto end = content.find_first_of("=:");
    const std::string key = lower(trim(content.substr(0, end)));
    if (end == std::string_view::npos || key.empty()) {
      return problem("is neither [section] nor key = value");
    }
    if (!in_section_) return problem("stands before the first [section]");
    key_ = key;
    set(key, trim(content.substr(end + 1)));
    return {};
  }

 private:
  Result<void> header(std::string_view content) {
    const auto end = content.find(']');
    if (end == std::string_view::npos) return problem("has a [ without its ]");
    std::string_view name = trim(content.substr(1, end - 1));
    in_section_ = true;
    section_ = alone_ = nullptr;
    if (kind_ == SharedFile::credentials || name == "default") {
      begin_profile(std::string(unquoted(name)));
      return {};
    }
    // Others, such as [preview], are of no interest here.
    const auto space = name.find_first_of(" \t");
    if (space == std::string_view::npos) return {};
    const std::string inner(unquoted(trim(name.substr(space))));
    if (name.substr(0, space) == "profile") begin_profile(inner);
    if (name.substr(0, space) == "services") section_ = &into_.services[inner];
    return {};
  }

  // Of a block below a key, or the rest of a long value, which no key that is read here has.
  Result<void> indented(std::string_view content) {
    if (key_.empty()) return problem("is indented but belongs to no key");
    const auto end = content.find('=');
    if (section_ == nullptr || end == std::string_view::npos) return {};
    set(key_ + "." + lower(trim(content.substr(0, end))), trim(content.substr(end + 1)));
    return {};
  }

  void begin_profile(const std::string& name) {
    section_ = &into_.profiles[name];
    alone_ = &into_.alone[kind_][name];
  }

  void set(const std::string& key, std::string_view value) {
    if (section_ != nullptr) (*section_)[key] = value;
    if (alone_ != nullptr) (*alone_)[key] = value;
  }

  Error problem(const std::string& what) const {
    return {.code = "profile",
            .message = file_name_ + ", line " + std::to_string(number_) + ": the line " + what,
            .retryable = false,
            .source = ""};
  }

  const SharedFile kind_;
  const std::string& file_name_;
  SharedConfig& into_;
  Section* section_ = nullptr;  // none: one that is of no interest
  Section* alone_ = nullptr;    // the same of this file alone; of profiles only
  bool in_section_ = false;
  std::string key_;  // of the last line that was not indented
  int number_ = 0;
};

}  // namespace

const Section& SharedConfig::in(SharedFile file, const std::string& profile) const {
  static const Section none;
  const auto its = alone.find(file);
  if (its == alone.end()) return none;
  const auto found = its->second.find(profile);
  return found == its->second.end() ? none : found->second;
}

Result<void> read_shared_config(std::string_view text, SharedFile kind,
                                const std::string& file_name, SharedConfig& into) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Reader reader(kind, file_name, into);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (auto read = reader.line(text.substr(0, end)); !read) return read;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

std::string expand_home(const std::string& path, const Environment& environment) {
  const std::string home = value_of(environment, "HOME");
  if (home.empty() || !(path == "~" || path.starts_with("~/"))) return path;
  return home + path.substr(1);
}

Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max,
                                    const std::string& code) {
  const auto failed = [&](const std::string& why) {
    return Error{.code = code,
                 .message = "cannot read " + path + ": " + why,
                 .retryable = false,
                 .source = ""};
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(errno != 0 ? std::strerror(errno) : "it cannot be opened");
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return failed("an input error");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > bytes_max) {
    return failed("it is larger than " + std::to_string(bytes_max) + " bytes");
  }
  return text;
}

Result<SharedConfig> load_shared_config(const Environment& environment) {
  struct File {
    SharedFile kind;
    const char* variable;
    const char* usual;
  };
  SharedConfig config;
  for (const File& file :
       {File{SharedFile::config, "AWS_CONFIG_FILE", "~/.aws/config"},
        File{SharedFile::credentials, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"}}) {
    std::string path = value_of(environment, file.variable);
    if (path.empty()) path = file.usual;
    config.places += (config.places.empty() ? "" : " and ") + path;
    config.paths[file.kind] = path;
    const auto text = read_small_file(expand_home(path, environment), kFileBytesMax, "profile");
    if (!text) continue;
    if (auto read = read_shared_config(*text, file.kind, path, config); !read) return read.error();
  }
  return config;
}

}  // namespace switchgear::aws
