// TLS in front of a server that speaks none itself, as stunnel does it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "net/server_process_for_tests.h"
#include "net/tls_files.h"

namespace switchgear::net {

// Passes on what comes by TLS to a port of the loopback, and back. Clients must show a certificate
// of the same CA.
class TlsFront final : public ServerProcess {
 public:
  TlsFront(std::uint16_t behind, TlsFiles files)
      : ServerProcess("tls-front"), behind_(behind), files_(std::move(files)) {
    start_on_a_free_port();
    EXPECT_TRUE(running()) << "python3 does not start; is it installed?\n" << log();
  }

 private:
  std::vector<std::string> command_line() const override {
    return {"python3",
            "-c",
            R"(
import asyncio, ssl, sys

port, behind, ca, cert, key = sys.argv[1:]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
tls.verify_mode = ssl.CERT_REQUIRED
tls.load_cert_chain(cert, key)

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()

async def serve(reader, writer):
    theirs = await asyncio.open_connection("127.0.0.1", int(behind))
    await asyncio.gather(copy(reader, theirs[1]), copy(theirs[0], writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=tls)
    await server.serve_forever()

asyncio.run(main())
)",
            std::to_string(port()),
            std::to_string(behind_),
            files_.ca_file,
            files_.cert_file,
            files_.key_file};
  }
  bool answers() const override { return accepts_connections(port()); }

  const std::uint16_t behind_;
  const TlsFiles files_;
};

}  // namespace switchgear::net
