// What a TLS client may be told by files.
#pragma once

#include <string>

namespace switchgear::net {

// PEM files. The peer is verified whatever they say.
struct TlsFiles {
  std::string ca_file;  // empty: the system's CA certificates
  // What we show to a peer that asks for it; both or neither.
  std::string cert_file;
  std::string key_file;
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

}  // namespace switchgear::net
