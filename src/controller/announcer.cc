#include "controller/announcer.h"

#include <utility>

namespace switchgear::controller {
namespace {

constexpr core::Backoff kRetry{.base = 1s, .cap = 1min, .jitter = core::Jitter::equal};
// About an hour of attempts.
constexpr int kAttemptsMax = 65;

// Webhooks carry their secret in path or query: neither is ever shown.
std::string shown(const net::Url& url) { return url.scheme + "://" + url.authority() + "/…"; }

}  // namespace

// One announcement, shared by the places that it still waits for; the last one tells.
struct Announcer::Item {
  Item(Announcement what, std::function<void()> fn)
      : announcement(std::move(what)), heard(std::move(fn)) {}
  ~Item() {
    if (heard) heard();
  }
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  Announcement announcement;
  std::function<void()> heard;
};

struct Announcer::Place {
  using Send = std::function<void(const Announcement&, std::function<void(Result<void>)>)>;

  std::string name;  // for people, without secrets
  Send send;
  std::deque<std::shared_ptr<Item>> pending;
  bool sending = false;
  int attempts = 0;
  std::uint64_t dropped = 0;
  net::Timer pause;
  // What it stands on, if it is a service.
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<aws::AwsClient> client;
  std::unique_ptr<aws::EventBridge> bus;
  std::unique_ptr<aws::Sns> topic;
};

Announcer::Announcer(net::Loop& loop, AnnouncerOptions options, ops::Log& log, std::uint64_t seed)
    : loop_(loop), log_(log), random_(seed) {
  const auto service = [&](aws::Access& access) {
    auto place = std::make_unique<Place>();
    place->http = std::make_unique<net::HttpClient>(loop, std::move(access.http));
    place->client = std::make_unique<aws::AwsClient>(
        loop, *place->http, std::move(access.endpoint), std::move(access.credentials),
        core::Random(random_.next()), std::move(access.client));
    return place;
  };
  if (!options.event_bus.empty() && options.events) {
    auto place = service(*options.events);
    place->name = "the event bus " + options.event_bus;
    place->bus = std::make_unique<aws::EventBridge>(*place->client);
    place->send = [bus = place->bus.get(), name = options.event_bus](const Announcement& a,
                                                                     auto done) {
      bus->put_event(
          {.bus = name, .source = "switchgear", .detail_type = detail_type(a), .detail = detail(a)},
          std::move(done));
    };
    places_.push_back(std::move(place));
  }
  if (!options.sns_topic.empty() && options.sns) {
    auto place = service(*options.sns);
    place->name = "the topic " + options.sns_topic;
    place->topic = std::make_unique<aws::Sns>(*place->client);
    place->send = [topic = place->topic.get(), arn = options.sns_topic](const Announcement& a,
                                                                        auto done) {
      topic->publish(arn, headline(a), detail(a), std::move(done));
    };
    places_.push_back(std::move(place));
  }
  if (const auto url = net::parse_url(options.webhook); !options.webhook.empty() && url) {
    auto place = std::make_unique<Place>();
    place->name = "the webhook at " + shown(*url);
    place->http = std::make_unique<net::HttpClient>(loop);
    place->send = [http = place->http.get(), target = *url](const Announcement& a, auto done) {
      net::HttpRequest request{.method = "POST", .target = target.target()};
      request.headers.set("Content-Type", "application/json");
      request.body = detail(a);
      http->send(target, std::move(request), {.timeout = 10s},
                 [done = std::move(done),
                  where = shown(target)](const Result<net::HttpResponse>& response) {
                   if (!response) {
                     done(response.error());
                   } else if (response->status >= 200 && response->status < 300) {
                     done({});
                   } else {
                     // What is refused for good is not worth an hour of attempts.
                     const bool later = response->status >= 500 || response->status == 429 ||
                                        response->status == 408;
                     done(Error{.code = "refused",
                                .message = "it answers " + std::to_string(response->status),
                                .retryable = later,
                                .source = where});
                   }
                 });
    };
    places_.push_back(std::move(place));
  }
}
Announcer::~Announcer() {
  alive_.reset();
  // What was not delivered was not heard.
  for (auto& place : places_) {
    for (auto& item : place->pending) item->heard = nullptr;
  }
}

void Announcer::announce(const Announcement& announcement, std::function<void()> heard) {
  const auto item = std::make_shared<Item>(announcement, std::move(heard));
  for (auto& place : places_) {
    if (place->pending.size() == kPendingMax) {
      // The first is on its way.
      place->pending.erase(place->pending.begin() + 1);
      if (place->dropped++ == 0) {
        log_.write(ops::LogLevel::error, "too many events wait for " + place->name +
                                             ": the oldest are left out; they are all in this log");
      }
    }
    place->pending.push_back(item);
    deliver(*place);
  }
}

bool Announcer::idle() const {
  for (const auto& place : places_) {
    if (!place->pending.empty()) return false;
  }
  return true;
}

void Announcer::deliver(Place& place) {
  if (place.sending || place.pending.empty() || place.pause.pending()) return;
  place.sending = true;
  ++place.attempts;
  place.send(place.pending.front()->announcement,
             [this, &place, alive = std::weak_ptr(alive_)](const Result<void>& result) {
               if (!alive.expired()) delivered(place, result);
             });
}

void Announcer::delivered(Place& place, const Result<void>& result) {
  place.sending = false;
  const bool again = !result && result.error().retryable && place.attempts < kAttemptsMax;
  if (!result && (place.attempts == 1 || !again)) {
    log_.write(ops::LogLevel::warn, "an event was not taken by " + place.name + ", and is " +
                                        (again ? "sent again: " : "left out: ") +
                                        result.error().text());
  }
  if (again) {
    place.pause =
        loop_.call_after(core::delay(kRetry, static_cast<std::uint64_t>(place.attempts), random_),
                         [this, &place] { deliver(place); });
    return;
  }
  if (!place.pending.empty()) place.pending.pop_front();
  place.attempts = 0;
  deliver(place);
}

}  // namespace switchgear::controller
