#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>

namespace switchgear::net {
namespace ssl = boost::asio::ssl;
namespace {

constexpr std::array kSystemBundles{"/etc/pki/tls/certs/ca-bundle.crt",
                                    "/etc/ssl/certs/ca-certificates.crt"};

bool is_address(const std::string& host) {
  in6_addr v6;
  in_addr v4;
  return ::inet_pton(AF_INET, host.c_str(), &v4) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

struct Bundle {
  std::string file;
  std::string named_by;  // for messages
};

Result<Bundle> find_bundle(const std::string& ca_file) {
  if (!ca_file.empty()) return Bundle{ca_file, "the configuration"};
  for (const char* variable : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return Bundle{value, variable};
  }
  for (const char* file : kSystemBundles) {
    if (::access(file, R_OK) == 0) return Bundle{file, "the system"};
  }
  return Error{.code = "tls",
               .message =
                   "no CA certificates found; install the package ca-certificates, or name "
                   "a PEM file in SSL_CERT_FILE or AWS_CA_BUNDLE",
               .source = ""};
}

}  // namespace

Result<std::shared_ptr<ssl::context>> client_tls_context(const std::string& ca_file) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<ssl::context>> loaded;

  const Result<Bundle> bundle = find_bundle(ca_file);
  if (!bundle) return bundle.error();
  const std::lock_guard lock(mutex);
  auto& context = loaded[bundle->file];
  if (context) return context;

  auto fresh = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  fresh->load_verify_file(bundle->file, error);
  if (error) {
    return Error{.code = "tls",
                 .message = "the CA certificates in '" + bundle->file + "' (named by " +
                            bundle->named_by + ") cannot be read: " + error.message(),
                 .source = ""};
  }
  SSL_CTX_set_min_proto_version(fresh->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_verify(fresh->native_handle(), SSL_VERIFY_PEER, nullptr);
  context = std::move(fresh);
  return context;
}

bool expect_tls_host(SSL* session, const std::string& host) {
  if (is_address(host)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  }
  SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(session, host.c_str()) == 1 &&
         SSL_set_tlsext_host_name(session, host.c_str()) == 1;
}

std::string tls_failure(SSL* session, const boost::system::error_code& error) {
  const long verdict = SSL_get_verify_result(session);
  if (verdict == X509_V_OK) return error.message();
  return std::string("the certificate is not acceptable: ") +
         X509_verify_cert_error_string(verdict) +
         "; if a private CA signed it, name its PEM file in AWS_CA_BUNDLE or SSL_CERT_FILE";
}

}  // namespace switchgear::net
