#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

namespace switchgear::net {
namespace ssl = boost::asio::ssl;
namespace {

using ContextPtr = std::shared_ptr<ssl::context>;

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

Error tls_error(std::string message) {
  return Error{.code = "tls", .message = std::move(message), .retryable = false, .source = ""};
}

Result<Bundle> find_bundle(const std::string& ca_file) {
  if (!ca_file.empty()) return Bundle{ca_file, "the configuration"};
  for (const char* variable : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return Bundle{value, variable};
  }
  for (const char* file : kSystemBundles) {
    if (::access(file, R_OK) == 0) return Bundle{file, "the system"};
  }
  return tls_error(
      "no CA certificates found; install the package ca-certificates, or name a PEM file in "
      "SSL_CERT_FILE or AWS_CA_BUNDLE");
}

// Changes when the file does.
std::string stamp_of(const std::string& file) {
  struct stat status{};
  if (file.empty() || ::stat(file.c_str(), &status) != 0) return "-;";
  return std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) +
         "/" + std::to_string(status.st_size) + ";";
}

Result<void> use_certificate(ssl::context& context, const TlsFiles& files) {
  for (const auto& [setting, file] :
       {std::pair("cert_file", files.cert_file), std::pair("key_file", files.key_file)}) {
    if (::access(file.c_str(), R_OK) != 0) {
      return tls_error(std::string("the ") + setting + " '" + file +
                       "' cannot be read: " + std::strerror(errno) + "; check its path and rights");
    }
  }
  boost::system::error_code error;
  context.use_certificate_chain_file(files.cert_file, error);
  if (error) {
    return tls_error("the cert_file '" + files.cert_file +
                     "' holds no certificate that can be used: " + error.message() +
                     "; it must be PEM, our certificate first, then those of its CAs");
  }
  // Without one OpenSSL would ask at the terminal, and wait.
  bool protected_key = false;
  context.set_password_callback(
      [&protected_key](std::size_t, ssl::context::password_purpose) {
        protected_key = true;
        return std::string();
      },
      error);
  context.use_private_key_file(files.key_file, ssl::context::pem, error);
  // What it refers to goes out of scope.
  SSL_CTX_set_default_passwd_cb(context.native_handle(), nullptr);
  if (!error) return {};
  if (protected_key) {
    return tls_error("the key_file '" + files.key_file +
                     "' is protected by a passphrase; write it without one: openssl pkey -in … "
                     "-out …");
  }
  const bool mismatch =
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH;
  return tls_error(
      "the key_file '" + files.key_file +
      (mismatch ? "' does not belong to the certificate in '" + files.cert_file + "'"
                : "' holds no key that can be used: " + error.message() + "; it must be PEM"));
}

std::string advice(long verdict, const std::string& ca_setting) {
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "; connect by a name that the certificate is for";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "; renew it, or set this machine's clock";
    default:
      return "; if a private CA signed it, name its PEM file in " + ca_setting;
  }
}

}  // namespace

Result<ContextPtr> client_tls_context(const TlsFiles& files) {
  struct Loaded {
    std::string stamp;  // of the files when they were read
    ContextPtr context;
  };
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::string, std::string>, Loaded> loaded;

  const Result<Bundle> bundle = find_bundle(files.ca_file);
  if (!bundle) return bundle.error();
  const std::string stamp =
      stamp_of(bundle->file) + stamp_of(files.cert_file) + stamp_of(files.key_file);
  const std::lock_guard lock(mutex);
  Loaded& entry = loaded[{bundle->file, files.cert_file, files.key_file}];
  if (entry.context && entry.stamp == stamp) return entry.context;

  auto fresh = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  fresh->load_verify_file(bundle->file, error);
  if (error) {
    return tls_error("the CA certificates in '" + bundle->file + "' (named by " + bundle->named_by +
                     ") cannot be read: " + error.message() + "; the file must hold PEM");
  }
  SSL_CTX_set_min_proto_version(fresh->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_verify(fresh->native_handle(), SSL_VERIFY_PEER, nullptr);
  if (!files.cert_file.empty()) {
    if (auto used = use_certificate(*fresh, files); !used) return used.error();
  }
  entry = {.stamp = stamp, .context = std::move(fresh)};
  return entry.context;
}

bool expect_tls_host(SSL* session, const std::string& host) {
  if (is_address(host)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  }
  SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(session, host.c_str()) == 1 &&
         SSL_set_tlsext_host_name(session, host.c_str()) == 1;
}

std::string tls_failure(SSL* session, const boost::system::error_code& error,
                        const std::string& ca_setting, const std::string& cert_setting) {
  const long verdict = SSL_get_verify_result(session);
  if (verdict != X509_V_OK) {
    return std::string("the certificate is not acceptable: ") +
           X509_verify_cert_error_string(verdict) + advice(verdict, ca_setting);
  }
  if (error.category() != boost::asio::error::get_ssl_category()) return error.message();
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return "the peer does not speak TLS here (" + error.message() + ")";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      if (cert_setting.empty() || SSL_get_certificate(session) != nullptr) break;
      return "the peer asks for a client certificate (" + error.message() + "); give it in " +
             cert_setting;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      if (cert_setting.empty()) break;
      return "the peer does not accept our certificate (" + error.message() +
             "); check the one in " + cert_setting;
    default:
      break;
  }
  return error.message();
}

bool is_tls_alert(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x15 && bytes[1] == 0x03;
}

}  // namespace switchgear::net
