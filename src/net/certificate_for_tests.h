// Certificates made on the spot: self-signed, or signed by one of our own.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "net/tls_files.h"

namespace switchgear::net {

class TestCertificate {
 public:
  struct Options {
    std::string names;                        // "DNS:localhost,IP:127.0.0.1"; of a CA: none
    const TestCertificate* issuer = nullptr;  // nobody: signed by itself
    long valid_from_s = -3600;                // from now
    long valid_to_s = 3600;
  };
  explicit TestCertificate(const Options& options) {
    key_ = EVP_EC_gen("P-256");
    certificate_ = X509_new();
    X509_set_version(certificate_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), ++made_);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), options.valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), options.valid_to_s);
    X509_set_pubkey(certificate_, key_);
    const std::string common_name = "test " + std::to_string(made_);
    X509_NAME* name = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    const TestCertificate& issuer = options.issuer == nullptr ? *this : *options.issuer;
    X509_set_issuer_name(certificate_, X509_get_subject_name(issuer.certificate_));
    if (options.names.empty()) {
      extend(NID_basic_constraints, "critical,CA:TRUE");
    } else {
      extend(NID_subject_alt_name, options.names.c_str());
    }
    X509_sign(certificate_, issuer.key_, EVP_sha256());
    // A folder of its own: tests may run side by side, and each file is read once per process.
    folder_ = std::filesystem::temp_directory_path() / "switchgear-certificate-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    std::FILE* out = std::fopen(cert_file().c_str(), "w");
    PEM_write_X509(out, certificate_);
    std::fclose(out);
    write_key(key_file(), nullptr);
  }
  ~TestCertificate() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  std::string cert_file() const { return folder_ + "/cert.pem"; }
  std::string key_file() const { return folder_ + "/key.pem"; }
  X509* certificate() const { return certificate_; }
  EVP_PKEY* key() const { return key_; }
  // Trusting that one, with this one as our own.
  TlsFiles files(const TestCertificate& ca) const {
    return {.ca_file = ca.cert_file(), .cert_file = cert_file(), .key_file = key_file()};
  }
  // A copy of the key, protected by a passphrase.
  std::string protected_key_file() const {
    write_key(folder_ + "/protected.pem", "passphrase");
    return folder_ + "/protected.pem";
  }

 private:
  void write_key(const std::string& file, const char* passphrase) const {
    std::FILE* out = std::fopen(file.c_str(), "w");
    PEM_write_PKCS8PrivateKey(out, key_, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                              passphrase, passphrase == nullptr ? 0 : 10, nullptr, nullptr);
    std::fclose(out);
  }
  void extend(int kind, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    X509_add_ext(certificate_, extension, -1);
    X509_EXTENSION_free(extension);
  }

  static inline long made_ = 0;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  std::string folder_;
};

}  // namespace switchgear::net
