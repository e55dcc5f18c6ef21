// The files that the AWS CLI and SDKs share: ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "aws/environment.h"
#include "core/result.h"

namespace switchgear::aws {

// Keys in lower case, values as written. An indented block under a key is "key.inner".
using Section = std::map<std::string, std::string>;

enum class SharedFile : unsigned char {
  config,       // [profile NAME], [default], [services NAME]
  credentials,  // [NAME]
};

struct SharedConfig {
  std::map<std::string, Section> profiles;  // of both files together
  std::map<std::string, Section> services;  // [services NAME] of the config file
  // Where they were looked for, for messages: "~/.aws/config and ~/.aws/credentials".
  std::string places;
  std::map<SharedFile, std::string> paths;  // each of them

  // What one file alone says of a profile; empty if it has none. Keys are looked up so: an id and a
  // secret of different files are no pair.
  const Section& in(SharedFile file, const std::string& profile) const;

  std::map<SharedFile, std::map<std::string, Section>> alone;  // behind in()
};

// Adds what a file's text says; what was there before gives way. As botocore reads it: '=' or ':'
// after a key, comments only on lines of their own, names of sections perhaps in quotes. Error
// "profile" with the line, never with its text, which may be a secret.
Result<void> read_shared_config(std::string_view text, SharedFile kind,
                                const std::string& file_name, SharedConfig& into);

// Both files, those of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE if set; the credentials file
// wins. A file that is not there, or not readable, says nothing.
Result<SharedConfig> load_shared_config(const Environment& environment);

// A path with ~ as $HOME.
std::string expand_home(const std::string& path, const Environment& environment);

// A whole file of at most `bytes_max`. Error `code` with the reason.
Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max,
                                    const std::string& code);

}  // namespace switchgear::aws
