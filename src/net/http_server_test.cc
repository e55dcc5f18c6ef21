#include "net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

#include "net/raw_socket_testing.h"

namespace switchgear::net {
namespace {

using testing::RawSocket;

struct Server {
  Loop loop;
  std::unique_ptr<HttpServer> server;
  std::vector<HttpRequest> requests;

  explicit Server(HttpServer::Handler handler = {}, HttpServerOptions options = {}) {
    server =
        HttpServer::start(loop, options, [this, handler](HttpRequest request, Responder respond) {
          requests.push_back(request);
          if (handler) return handler(std::move(request), respond);
          respond({.status = 200, .body = "hello"});
        }).value();
  }

  // Runs `talk` on a thread, with a connection to this server, and the loop beside it.
  std::string talk(const std::function<std::string(RawSocket&)>& talk) {
    std::atomic<bool> done = false;
    auto said = std::async(std::launch::async, [&] {
      RawSocket socket = RawSocket::connect(server->port());
      std::string heard = talk(socket);
      done = true;
      loop.post([] {});
      return heard;
    });
    EXPECT_TRUE(loop.run_until([&] { return done.load(); }, 30s));
    return said.get();
  }
  // Sends these bytes, nothing more, and hears everything until the server closes.
  std::string answer_to(const std::string& bytes) {
    return talk([&](RawSocket& socket) {
      socket.send(bytes);
      return socket.read_to_close();
    });
  }
};

std::string status_line(const std::string& answer) { return answer.substr(0, answer.find('\r')); }

TEST(HttpServer, TellsItsFreePort) {
  Server a;
  Server b;
  EXPECT_NE(a.server->port(), 0);
  EXPECT_NE(a.server->port(), b.server->port());
  EXPECT_EQ(a.server->url(), "http://127.0.0.1:" + std::to_string(a.server->port()));
}

TEST(HttpServer, SaysThatAPortIsTaken) {
  Server a;
  const auto b = HttpServer::start(a.loop, {.port = a.server->port()}, {});
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, "listen");
  EXPECT_NE(b.error().message.find(std::to_string(a.server->port())), std::string::npos);
}

TEST(HttpServer, SaysThatAnAddressIsNone) {
  Loop loop;
  EXPECT_FALSE(HttpServer::start(loop, {.address = "localhost"}, {}));
}

TEST(HttpServer, AnswersSeveralRequestsOfOneConnection) {
  Server server;
  const std::string heard = server.talk([](RawSocket& socket) {
    std::string all;
    for (int i = 0; i < 3; ++i) {
      socket.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
      all += socket.read_until("hello");
    }
    return all;
  });
  EXPECT_EQ(server.requests.size(), 3u);
  EXPECT_EQ(status_line(heard), "HTTP/1.1 200 OK");
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  Server server([](const HttpRequest& request, const Responder& respond) {
    respond({.status = 200, .body = request.target});
  });
  const std::string heard = server.answer_to(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const auto first = heard.find("/1");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(heard.find("/2", first), std::string::npos);
}

TEST(HttpServer, MayAnswerLater) {
  Timer later;
  Loop* loop = nullptr;
  Server server([&](const HttpRequest&, const Responder& respond) {
    later = loop->call_after(5ms, [respond] { respond({.status = 202, .body = "later"}); });
  });
  loop = &server.loop;
  const std::string heard = server.answer_to("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_line(heard), "HTTP/1.1 202 Accepted");
  later.cancel();  // before its loop ends
}

TEST(HttpServer, Answers500IfTheHandlerForgets) {
  Server server([](const HttpRequest&, const Responder&) {});
  EXPECT_EQ(status_line(server.answer_to("GET / HTTP/1.0\r\n\r\n")),
            "HTTP/1.1 500 Internal Server Error");
}

TEST(HttpServer, TakesTheFirstOfSeveralAnswers) {
  Server server([](const HttpRequest&, const Responder& respond) {
    respond({.status = 204});
    respond({.status = 200});
  });
  EXPECT_EQ(status_line(server.answer_to("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 204 No Content");
}

TEST(HttpServer, DoesNotSendAnAnswerThatWouldChangeTheMessage) {
  Server server([](const HttpRequest&, const Responder& respond) {
    respond({.status = 200, .headers = {{"X", "1\r\nX-Evil: 1"}}});
  });
  const std::string heard = server.answer_to("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status_line(heard), "HTTP/1.1 500 Internal Server Error");
  EXPECT_EQ(heard.find("Evil"), std::string::npos);
}

TEST(HttpServer, SendsNoBodyToHead) {
  Server server;
  const std::string heard = server.answer_to("HEAD / HTTP/1.0\r\n\r\n");
  EXPECT_NE(heard.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(heard.ends_with("\r\n\r\n"));
}

TEST(HttpServer, Answers400ToWhatIsNotHttp) {
  for (const std::string& bytes :
       {std::string("hello\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n",
        std::string("*1\r\n$4\r\nPING\r\n"), std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("GET / HTTP/3.7\r\n\r\n"), std::string("GET  / HTTP/1.1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    Server server;
    EXPECT_EQ(status_line(server.answer_to(bytes)), "HTTP/1.1 400 Bad Request") << bytes;
    EXPECT_TRUE(server.requests.empty());
  }
}

TEST(HttpServer, RefusesBodiesBeyondItsLimitEvenWhileTheyArrive) {
  Server server({}, {.body_bytes_max = 10});
  EXPECT_EQ(status_line(server.answer_to("POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" +
                                         std::string(2'000'000, 'x'))),
            "HTTP/1.1 413 Payload Too Large");
}

TEST(HttpServer, RefusesHeadersBeyondItsLimit) {
  Server server;
  EXPECT_EQ(status_line(
                server.answer_to("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST(HttpServer, Answers408ToARequestThatDrips) {
  Server server({}, {.request_timeout = 20ms});
  EXPECT_EQ(status_line(server.answer_to("GET / HT")), "HTTP/1.1 408 Request Timeout");
}

TEST(HttpServer, ClosesAnIdleConnection) {
  Server server({}, {.idle_timeout = 10ms});
  EXPECT_EQ(server.answer_to(""), "");
}

TEST(HttpServer, LivesThroughPeersThatGoAway) {
  Server server;
  for (const char* bytes :
       {"", "GET", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"}) {
    server.talk([&](RawSocket& socket) {
      socket.send(bytes);
      socket.close();
      return std::string();
    });
    server.talk([&](RawSocket& socket) {
      socket.send(bytes);
      socket.reset();
      return std::string();
    });
  }
  EXPECT_EQ(status_line(server.answer_to("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 OK");
}

TEST(HttpServer, LetsFurtherConnectionsWait) {
  Server server({}, {.connections_max = 1});
  RawSocket first = RawSocket::connect(server.server->port());
  Timer closing = server.loop.call_after(20ms, [&] { first.close(); });
  EXPECT_EQ(status_line(server.answer_to("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 OK");
  EXPECT_FALSE(closing.pending());
}

TEST(HttpServer, MayBeDestroyedByItsHandlerAndBeforeAResponder) {
  std::vector<Responder> held;
  Loop loop;
  std::unique_ptr<HttpServer> server;
  server = HttpServer::start(loop, {}, [&](const HttpRequest&, const Responder& respond) {
             held.push_back(respond);
             server.reset();
           }).value();
  RawSocket socket = RawSocket::connect(server->port());
  socket.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return !held.empty(); }, 10s));
  held[0]({.status = 200});
  EXPECT_EQ(socket.read_to_close(), "");
}

}  // namespace
}  // namespace switchgear::net
