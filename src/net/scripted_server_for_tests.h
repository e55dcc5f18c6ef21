// An HTTP server on loopback that answers as it is told.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http_server.h"

namespace switchgear::net {

// Answers with what `answers` holds, in turn, and then by `otherwise`. An answer of status 0 is
// never given: the client waits.
struct ScriptedServer {
  using Answer = std::function<HttpResponse(const HttpRequest&)>;

  std::deque<HttpResponse> answers;
  Answer otherwise;
  std::vector<HttpRequest> requests;  // all so far
  std::vector<Responder> unanswered;
  std::unique_ptr<HttpServer> server;  // reset: nobody listens any more

  explicit ScriptedServer(
      Loop& loop,
      Answer by = [](const HttpRequest&) { return HttpResponse{.status = 200, .body = "{}"}; })
      : otherwise(std::move(by)),
        server(HttpServer::start(loop, {},
                                 [this](const HttpRequest& request, const Responder& respond) {
                                   answer(request, respond);
                                 })
                   .value()) {}
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return server->url(); }
  std::string header(std::size_t request, const char* name) const {
    return std::string(requests.at(request).headers.get(name).value_or(""));
  }

 private:
  void answer(const HttpRequest& request, const Responder& respond) {
    requests.push_back(request);
    HttpResponse response;
    if (answers.empty()) {
      response = otherwise(request);
    } else {
      response = std::move(answers.front());
      answers.pop_front();
    }
    if (response.status == 0) {
      unanswered.push_back(respond);
    } else {
      respond(response);
    }
  }
};

}  // namespace switchgear::net
