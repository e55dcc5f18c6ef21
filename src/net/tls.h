// TLS for the clients of net/ (HTTP and Redis alike). Only for .cc files of net/: it brings in
// Asio and OpenSSL.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "core/result.h"

namespace switchgear::net {

// A client context that verifies the peer: TLS 1.2 or later, certificates from `ca_file`, or if
// empty from the first of: the file named by AWS_CA_BUNDLE, by SSL_CERT_FILE,
// /etc/pki/tls/certs/ca-bundle.crt, /etc/ssl/certs/ca-certificates.crt. A statically linked
// OpenSSL knows no other place. Reading a system's bundle takes 20-38 ms, so it is done at the
// first TLS connection and once per process and file. Error "tls". From any thread.
Result<std::shared_ptr<boost::asio::ssl::context>> client_tls_context(const std::string& ca_file);

// Makes a session check that the certificate is for `host` (a name, also sent as SNI, or an
// address). False if OpenSSL refuses the name.
bool expect_tls_host(SSL* session, const std::string& host);

// Why a handshake failed, for a person: what OpenSSL thought of the certificate, if that was it.
std::string tls_failure(SSL* session, const boost::system::error_code& error);

}  // namespace switchgear::net
