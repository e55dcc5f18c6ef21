#include "net/http_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "net/clocks.h"
#include "net/http_server.h"
#include "net/raw_socket_testing.h"

namespace switchgear::net {
namespace {

using testing::RawServer;
using testing::RawSocket;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Url url(const std::string& text) { return parse_url(text).value(); }

struct Peer {
  Loop loop;
  std::unique_ptr<HttpServer> server;
  std::vector<HttpRequest> requests;

  explicit Peer(HttpServer::Handler handler = {}, HttpServerOptions options = {}) {
    server =
        HttpServer::start(loop, options, [this, handler](HttpRequest request, Responder respond) {
          requests.push_back(request);
          if (handler) return handler(std::move(request), respond);
          respond({.status = 200, .body = "hello"});
        }).value();
  }
};

// Sends and runs the loop until the answer is there.
Result<HttpResponse> fetch(Loop& loop, HttpClient& client, const std::string& to,
                           HttpRequest request = {}, HttpCallOptions options = {}) {
  std::optional<Result<HttpResponse>> answer;
  client.send(url(to), std::move(request), options,
              [&](Result<HttpResponse> result) { answer = std::move(result); });
  EXPECT_FALSE(answer) << "called from inside send()";
  EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 30s));
  if (!answer) return Error{"no_callback", "", false, ""};
  return *answer;
}

Result<HttpResponse> fetch(const RawServer& server, HttpCallOptions options = {},
                           HttpClientOptions client_options = {}) {
  Loop loop;
  HttpClient client(loop, client_options);
  return fetch(loop, client, server.url(), {}, options);
}

std::string code(const Result<HttpResponse>& result) {
  return result ? "status " + std::to_string(result->status) : result.error().code;
}

// ---- calls that work

TEST(HttpClient, SendsARequestAndGetsTheResponse) {
  Peer peer([](const HttpRequest& request, const Responder& respond) {
    respond({.status = 201, .headers = {{"X-Answer", "yes"}}, .body = "<" + request.body + ">"});
  });
  HttpClient client(peer.loop);
  const auto response =
      fetch(peer.loop, client, peer.server->url(),
            {.method = "POST", .target = "/a?b=c", .headers = {{"X-Ask", "why"}}, .body = "text"});
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->headers.get("x-answer"), "yes");
  EXPECT_EQ(response->body, "<text>");
  ASSERT_EQ(peer.requests.size(), 1u);
  const HttpRequest& seen = peer.requests[0];
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/a?b=c");
  EXPECT_EQ(seen.body, "text");
  EXPECT_EQ(seen.headers.get("X-ASK"), "why");
  EXPECT_EQ(seen.headers.get("Host"), "127.0.0.1:" + std::to_string(peer.server->port()));
  EXPECT_EQ(seen.headers.get("User-Agent"), "switchgear");
  EXPECT_EQ(seen.headers.get("Content-Length"), "4");
}

TEST(HttpClient, TakesAnyStatusForAResponse) {
  Peer peer([](const HttpRequest&, const Responder& respond) { respond({.status = 503}); });
  HttpClient client(peer.loop);
  EXPECT_EQ(code(fetch(peer.loop, client, peer.server->url())), "status 503");
}

TEST(HttpClient, CarriesBodiesOfManyMegabytesWithEveryByte) {
  Peer peer(
      [](HttpRequest request, const Responder& respond) {
        respond({.status = 200, .body = std::move(request.body)});
      },
      {.body_bytes_max = 8'000'000});
  HttpClient client(peer.loop);
  std::string body(7'000'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 3);
  const auto response =
      fetch(peer.loop, client, peer.server->url(), {.method = "PUT", .body = body});
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_TRUE(response->body == body);
}

TEST(HttpClient, GetsNoBodyForHead) {
  Peer peer;
  HttpClient client(peer.loop);
  for (int i = 0; i < 2; ++i) {
    const auto response = fetch(peer.loop, client, peer.server->url(), {.method = "HEAD"});
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_EQ(response->headers.get("Content-Length"), "5");
    EXPECT_EQ(response->body, "");
  }
}

TEST(HttpClient, UsesAConnectionAgain) {
  RawServer server([](RawSocket& socket, int nth) {
    while (!socket.read_header().empty()) {
      socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(nth));
    }
  });
  Loop loop;
  HttpClient client(loop);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(loop, client, server.url())->body, "0");
  EXPECT_EQ(client.connections(), 1u);
}

TEST(HttpClient, DoesNotUseAConnectionAgainThatThePeerWantsClosed) {
  RawServer server([](RawSocket& socket, int nth) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n" +
                std::to_string(nth));
    socket.read_to_close();
  });
  Loop loop;
  HttpClient client(loop);
  EXPECT_EQ(fetch(loop, client, server.url())->body, "0");
  EXPECT_EQ(fetch(loop, client, server.url())->body, "1");
}

TEST(HttpClient, ReadsAResponseThatEndsWithTheConnection) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.0 200 OK\r\n\r\nall of it");
  });
  EXPECT_EQ(fetch(server)->body, "all of it");
}

TEST(HttpClient, ReadsChunkedResponses) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  });
  EXPECT_EQ(fetch(server)->body, "abcde");
}

TEST(HttpClient, SkipsInterimResponses) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    socket.send(kOk);
  });
  EXPECT_EQ(fetch(server)->body, "ok");
}

TEST(HttpClient, TakesAnAnswerThatComesBeforeTheRequestIsSent) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    socket.read_to_close();
  });
  Loop loop;
  HttpClient client(loop);
  const auto response =
      fetch(loop, client, server.url(), {.method = "POST", .body = std::string(50'000'000, 'x')});
  EXPECT_EQ(code(response), "status 413");
  EXPECT_EQ(client.connections(), 0u);
}

TEST(HttpClient, OpensNoMoreConnectionsThanAllowed) {
  std::vector<Responder> held;
  Peer peer([&](const HttpRequest&, const Responder& respond) { held.push_back(respond); });
  HttpClient client(peer.loop, {.connections_max = 2});
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    client.send(url(peer.server->url()), {}, {}, [&](const Result<HttpResponse>& response) {
      EXPECT_TRUE(response);
      ++answers;
    });
  }
  ASSERT_TRUE(peer.loop.run_until([&] { return held.size() == 2; }, 10s));
  EXPECT_EQ(client.connections(), 2u);
  EXPECT_EQ(client.waiting(), 3u);
  // Each answer lets the next one through, and only that.
  for (std::size_t next = 0; next < 5; ++next) {
    ASSERT_TRUE(peer.loop.run_until([&] { return held.size() > next; }, 10s));
    EXPECT_LE(held.size() - next, 2u);
    held[next]({.status = 200});
  }
  EXPECT_TRUE(peer.loop.run_until([&] { return answers == 5; }, 10s));
  EXPECT_EQ(client.connections(), 2u);
}

TEST(HttpClient, RefusesCallsBeyondTheQueue) {
  Peer peer([](const HttpRequest&, const Responder& respond) {
    static std::vector<Responder> held;
    held.push_back(respond);
  });
  HttpClient client(peer.loop, {.connections_max = 1, .waiting_max = 1});
  for (int i = 0; i < 2; ++i) {
    client.send(url(peer.server->url()), {}, {}, [](const Result<HttpResponse>&) {});
  }
  EXPECT_EQ(code(fetch(peer.loop, client, peer.server->url())), "busy");
}

// ---- connections that were kept

TEST(HttpClient, NoticesThatAKeptConnectionWasClosed) {
  std::atomic<int> closed = 0;
  RawServer server([&](RawSocket& socket, int) {
    socket.read_header();
    socket.send(kOk);
    socket.close();
    ++closed;
  });
  Loop loop;
  HttpClient client(loop);
  for (int i = 0; i < 20; ++i) {
    // Not idempotent: had it gone out on the dead connection, it would be an error.
    EXPECT_EQ(code(fetch(loop, client, server.url(), {.method = "POST"})), "status 200");
    while (closed <= i) std::this_thread::yield();
  }
}

// Answers the first request of each connection and drops the second unanswered, as a peer does
// whose idle time ends just when the next request arrives.
RawServer::Script drops_the_second_request() {
  return [](RawSocket& socket, int) {
    socket.read_header();
    socket.send(kOk);
    socket.read_header();
  };
}

TEST(HttpClient, SendsAnIdempotentCallAgainWhenAKeptConnectionDies) {
  RawServer server(drops_the_second_request());
  Loop loop;
  HttpClient client(loop);
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.idempotent = true})), "status 200");
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.idempotent = true})), "status 200");
}

TEST(HttpClient, DoesNotSendOtherCallsAgain) {
  RawServer server(drops_the_second_request());
  Loop loop;
  HttpClient client(loop);
  EXPECT_EQ(code(fetch(loop, client, server.url())), "status 200");
  EXPECT_EQ(code(fetch(loop, client, server.url())), "closed");
}

TEST(HttpClient, SendsAgainOnlyOnce) {
  RawServer server([](RawSocket& socket, int nth) {
    socket.read_header();
    if (nth == 0) {
      socket.send(kOk);
      socket.read_header();
    }
  });
  Loop loop;
  HttpClient client(loop);
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.idempotent = true})), "status 200");
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.idempotent = true})), "closed");
}

TEST(HttpClient, DropsAConnectionOnWhichThePeerSpeaksUnasked) {
  std::atomic<bool> spoken = false;
  RawServer server([&](RawSocket& socket, int nth) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(nth));
    if (nth == 0) {
      socket.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
      spoken = true;
    }
    socket.read_to_close();
  });
  Loop loop;
  HttpClient client(loop);
  EXPECT_EQ(fetch(loop, client, server.url())->body, "0");
  while (!spoken) std::this_thread::yield();
  EXPECT_EQ(fetch(loop, client, server.url())->body, "1");
}

TEST(HttpClient, ClosesConnectionsThatAreIdleForTooLong) {
  Peer peer;
  HttpClient client(peer.loop, {.idle_timeout = 10ms});
  EXPECT_TRUE(fetch(peer.loop, client, peer.server->url()));
  EXPECT_EQ(client.connections(), 1u);
  EXPECT_TRUE(peer.loop.run_until([&] { return client.connections() == 0; }, 10s));
}

// ---- peers that fail

TEST(HttpClient, SaysThatNobodyListens) {
  std::string nowhere;
  {
    RawServer server([](RawSocket&, int) {});
    nowhere = server.url();
  }
  Loop loop;
  HttpClient client(loop);
  const auto response = fetch(loop, client, nowhere);
  ASSERT_EQ(code(response), "connect");
  EXPECT_TRUE(response.error().retryable);
  EXPECT_EQ(response.error().source, nowhere);
}

TEST(HttpClient, SaysThatANameDoesNotResolve) {
  Loop loop;
  HttpClient client(loop);
  // RFC 6761 keeps ".invalid" unresolvable; without any DNS the answer is the same.
  const auto response = fetch(loop, client, "http://no-such-host.invalid:81");
  EXPECT_TRUE(code(response) == "dns" || code(response) == "connect") << code(response);
}

TEST(HttpClient, GivesUpAtItsTimeout) {
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  const auto response = fetch(server, {.timeout = 20ms});
  ASSERT_EQ(code(response), "timeout");
  EXPECT_TRUE(response.error().retryable);
}

// Stands still as a process does that is suspended.
void stand_still(Loop& loop, Duration length) {
  loop.post([length] {
    const MonoTime end = read_clocks().mono + length;
    while (read_clocks().mono < end) std::this_thread::yield();
  });
}

TEST(HttpClient, DoesNotBlameThePeerForItsOwnStandstill) {
  std::promise<void> over;
  RawServer server([&](RawSocket& socket, int) {
    socket.read_header();
    over.get_future().wait();
    socket.send(kOk);
    socket.read_to_close();
  });
  Loop loop;
  HttpClient client(loop);
  stand_still(loop, 1s);
  loop.post([&] { over.set_value(); });
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.timeout = 500ms})), "status 200");
}

TEST(HttpClient, GivesUpAfterAStandstillAllTheSame) {
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  Loop loop;
  HttpClient client(loop);
  stand_still(loop, 120ms);
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.timeout = 20ms})), "timeout");
}

TEST(HttpClient, GivesUpOnAResponseThatDripsForever) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    while (socket.send("x")) std::this_thread::yield();
  });
  EXPECT_EQ(code(fetch(server, {.timeout = 50ms}, {.body_bytes_max = 200'000'000})), "timeout");
}

TEST(HttpClient, CountsTheWaitForAConnectionInTheTimeout) {
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  Loop loop;
  HttpClient client(loop, {.connections_max = 1});
  client.send(url(server.url()), {}, {}, [](const Result<HttpResponse>&) {});
  const auto response = fetch(loop, client, server.url(), {}, {.timeout = 20ms});
  ASSERT_EQ(code(response), "timeout");
  EXPECT_NE(response.error().message.find("waiting for a connection"), std::string::npos);
  EXPECT_EQ(client.waiting(), 0u);
}

TEST(HttpClient, LetsTheNextCallConnectAfterATimeout) {
  RawServer server([](RawSocket& socket, int nth) {
    socket.read_header();
    if (nth > 0) socket.send(kOk);
    socket.read_to_close();
  });
  Loop loop;
  HttpClient client(loop, {.connections_max = 1});
  EXPECT_EQ(code(fetch(loop, client, server.url(), {}, {.timeout = 20ms})), "timeout");
  EXPECT_EQ(code(fetch(loop, client, server.url())), "status 200");
}

TEST(HttpClient, SaysThatThePeerClosed) {
  RawServer server([](RawSocket& socket, int) { socket.read_header(); });
  EXPECT_EQ(code(fetch(server)), "closed");
  RawServer resetting([](RawSocket& socket, int) {
    socket.read_header();
    socket.reset();
  });
  EXPECT_EQ(code(fetch(resetting)), "closed");
}

TEST(HttpClient, SaysThatAResponseIsNotWhole) {
  for (const char* half : {"HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    RawServer server([half](RawSocket& socket, int) {
      socket.read_header();
      socket.send(half);
    });
    EXPECT_EQ(code(fetch(server, {.idempotent = true})), "closed") << half;
  }
}

TEST(HttpClient, RefusesWhatIsNotHttp) {
  for (const std::string& garbage :
       {"-ERR unknown command 'GET'\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n"}) {
    RawServer server([garbage](RawSocket& socket, int) {
      socket.read_header();
      socket.send(garbage);
      socket.read_to_close();
    });
    const auto response = fetch(server);
    EXPECT_EQ(code(response), "protocol") << garbage;
    EXPECT_FALSE(response ? true : response.error().retryable);
  }
}

TEST(HttpClient, TellsATlsServerFromOneThatCloses) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    socket.send(std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));
  });
  EXPECT_EQ(code(fetch(server)), "protocol");
}

TEST(HttpClient, RefusesAFloodOfInterimResponses) {
  RawServer server([](RawSocket& socket, int) {
    socket.read_header();
    while (socket.send("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  });
  EXPECT_EQ(code(fetch(server)), "protocol");
}

TEST(HttpClient, RefusesResponsesBeyondItsLimits) {
  RawServer declared([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n");
    socket.read_to_close();
  });
  EXPECT_EQ(code(fetch(declared, {}, {.body_bytes_max = 100})), "too_large");
  RawServer endless([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\n\r\n");
    while (socket.send("xxxxxxxxxxxxxxxx")) {
    }
  });
  EXPECT_EQ(code(fetch(endless, {}, {.body_bytes_max = 100})), "too_large");
  RawServer header([](RawSocket& socket, int) {
    socket.read_header();
    socket.send("HTTP/1.1 200 OK\r\n");
    while (socket.send("X-More: and more and more and more and more\r\n")) {
    }
  });
  EXPECT_EQ(code(fetch(header)), "too_large");
}

TEST(HttpClient, SendsNothingThatWouldChangeTheMessage) {
  Peer peer;
  HttpClient client(peer.loop);
  const std::vector<HttpRequest> bad{
      {.method = "GET / HTTP/1.1\r\nX:"},
      {.target = "/a b"},
      {.target = "/\r\nX-Evil: 1"},
      {.target = ""},
      {.headers = {{"X-A", "1\r\nX-Evil: 1"}}},
      {.headers = {{"X-A: 1\r\nX-Evil", "1"}}},
      {.headers = {{"", "1"}}},
  };
  for (const auto& request : bad) {
    EXPECT_EQ(code(fetch(peer.loop, client, peer.server->url(), request)), "invalid_request");
  }
  EXPECT_EQ(code(fetch(peer.loop, client, "redis://127.0.0.1:1")), "invalid_request");
  EXPECT_TRUE(peer.requests.empty());
}

// ---- giving up

TEST(HttpClient, AbandonsACallByItsHandle) {
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  Loop loop;
  HttpClient client(loop);
  std::vector<std::string> answers;
  CallHandle handle = client.send(url(server.url()), {}, {}, [&](const Result<HttpResponse>& r) {
    answers.push_back(code(r));
  });
  handle.cancel();
  EXPECT_TRUE(answers.empty()) << "called from inside cancel()";
  EXPECT_TRUE(loop.run_until([&] { return !answers.empty(); }, 10s));
  handle.cancel();
  loop.run_until([] { return false; }, 5ms);
  EXPECT_EQ(answers, std::vector<std::string>{"cancelled"});
  EXPECT_EQ(client.connections(), 0u);
}

TEST(HttpClient, KeepsQuietOnceDestroyed) {
  RawServer server([](RawSocket& socket, int) { socket.read_to_close(); });
  Loop loop;
  CallHandle handle;
  auto alive = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = alive;
  {
    HttpClient client(loop, {.connections_max = 1});
    for (int i = 0; i < 3; ++i) {
      handle =
          client.send(url(server.url()), {}, {}, [alive](const Result<HttpResponse>&) { FAIL(); });
    }
    alive.reset();
    loop.run_until([] { return false; }, 5ms);
  }
  EXPECT_TRUE(watch.expired());
  handle.cancel();
  loop.run_until([] { return false; }, 5ms);
}

TEST(HttpClient, MayBeDestroyedByACallback) {
  Peer peer;
  auto client = std::make_unique<HttpClient>(peer.loop);
  bool called = false;
  client->send(url(peer.server->url()), {}, {}, [&](const Result<HttpResponse>&) {
    client.reset();
    called = true;
  });
  EXPECT_TRUE(peer.loop.run_until([&] { return called; }, 10s));
}

TEST(HttpClient, MayBeUsedFromACallback) {
  Peer peer;
  HttpClient client(peer.loop);
  int answers = 0;
  std::function<void(const Result<HttpResponse>&)> again = [&](const Result<HttpResponse>& r) {
    EXPECT_TRUE(r);
    if (++answers < 5) client.send(url(peer.server->url()), {}, {}, again);
  };
  client.send(url(peer.server->url()), {}, {}, again);
  EXPECT_TRUE(peer.loop.run_until([&] { return answers == 5; }, 10s));
  EXPECT_EQ(client.connections(), 1u);
}

}  // namespace
}  // namespace switchgear::net
