#include "net/reach.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "net/loop_impl.h"

namespace switchgear::net {
namespace {

using boost::system::error_code;
using tcp = asio::ip::tcp;

// Kept alive by the callbacks that are under way.
struct Attempt {
  Attempt(Loop& loop, std::function<void(Result<std::string>)> callback)
      : resolver(loop.impl().context), socket(loop.impl().context), done(std::move(callback)) {}

  void finish(Result<std::string> result) {
    timer.cancel();
    error_code ignored;
    resolver.cancel();
    socket.close(ignored);
    if (const auto callback = std::exchange(done, nullptr)) callback(std::move(result));
  }
  void fail(std::string code, std::string message) {
    finish(Error{
        .code = std::move(code), .message = std::move(message), .retryable = true, .source = name});
  }

  tcp::resolver resolver;
  tcp::socket socket;
  Timer timer;
  std::string name;
  std::function<void(Result<std::string>)> done;
};

}  // namespace

void reach(Loop& loop, const std::string& host, std::uint16_t port, Duration limit,
           std::function<void(Result<std::string>)> done) {
  const auto attempt = std::make_shared<Attempt>(loop, std::move(done));
  attempt->name = host + ":" + std::to_string(port);
  attempt->timer = loop.call_after(limit, [weak = std::weak_ptr(attempt)] {
    if (const auto held = weak.lock()) held->fail("timeout", "no connection in time");
  });
  attempt->resolver.async_resolve(
      host, std::to_string(port),
      [attempt](const error_code& unknown, const tcp::resolver::results_type& found) {
        if (!attempt->done) return;
        if (unknown) return attempt->fail("dns", unknown.message());
        asio::async_connect(
            attempt->socket, found, [attempt](const error_code& failure, const tcp::endpoint& to) {
              if (!attempt->done) return;
              if (failure == asio::error::connection_refused) {
                return attempt->fail("refused", failure.message());
              }
              if (failure == asio::error::timed_out) {
                return attempt->fail("timeout", failure.message());
              }
              if (failure) return attempt->fail("connect", failure.message());
              const std::string address = to.address().to_string();
              const std::string shown = to.address().is_v6() ? "[" + address + "]" : address;
              attempt->finish(shown + ":" + std::to_string(to.port()));
            });
      });
}

}  // namespace switchgear::net
