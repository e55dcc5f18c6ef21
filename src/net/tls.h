// TLS for the clients of net/ (HTTP and Redis alike). Only for .cc files of net/: it brings in
// Asio and OpenSSL.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "core/result.h"
#include "net/tls_files.h"

namespace switchgear::net {

// A client context that verifies the peer: TLS 1.2 or later, certificates from the ca_file, or if
// empty from the first of: the file named by AWS_CA_BUNDLE, by SSL_CERT_FILE,
// /etc/pki/tls/certs/ca-bundle.crt, /etc/ssl/certs/ca-certificates.crt. A statically linked
// OpenSSL knows no other place. Reading a system's bundle takes 20-38 ms, so it is done at the
// first TLS connection and once per process, and again only when one of the files has changed.
// Error "tls", which names the file. From any thread.
Result<std::shared_ptr<boost::asio::ssl::context>> client_tls_context(const TlsFiles& files);

// Makes a session check that the certificate is for `host` (a name, also sent as SNI, or an
// address). False if OpenSSL refuses the name.
bool expect_tls_host(SSL* session, const std::string& host);

// Why a handshake, or the first read after it, failed, for a person: what OpenSSL thought of the
// peer's certificate or the peer of ours, if that was it. `ca_setting` says where a private CA's
// certificate is named, `cert_setting` (may be empty) where ours is.
std::string tls_failure(SSL* session, const boost::system::error_code& error,
                        const std::string& ca_setting = "AWS_CA_BUNDLE or SSL_CERT_FILE",
                        const std::string& cert_setting = {});

// Whether bytes that came instead of another protocol's are a TLS alert: the peer speaks TLS.
bool is_tls_alert(std::string_view bytes);

}  // namespace switchgear::net
