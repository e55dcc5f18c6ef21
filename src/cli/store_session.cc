#include "cli/store_session.h"

#include <csignal>
#include <optional>
#include <ostream>

#include "guard/identity.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

// Longer than any store takes to give up by itself.
constexpr Duration kPatience = 60s;
constexpr Duration kOperationTimeout = 3s;

bool is_unreachable(const Error& error) {
  for (const std::string_view code : {"connect", "timeout", "closed", "auth", "protocol", "LOADING",
                                      "CLUSTERDOWN", "MASTERDOWN"}) {
    if (error.code == code) return true;
  }
  return false;
}

}  // namespace

StoreSession::StoreSession() {
  loop_.on_stop_signal([this](int) {
    interrupted_ = true;
    loop_.stop();
  });
}

std::unique_ptr<StoreSession> StoreSession::open(Context& context, const std::string& url,
                                                 int& exit_code) {
  if (url == "memory:" || url == "memory://") {
    context.err << "switchgear: no store is given, and a circuit in memory belongs to one process "
                   "alone; name the store that the fleet shares: --store redis://HOST:PORT or "
                   "dynamodb://TABLE, "
                   "SWITCHGEAR_STORE, or store in switchgear.yaml\n";
    exit_code = kUsage;
    return nullptr;
  }
  std::unique_ptr<StoreSession> session(new StoreSession);
  auto store = stores::open_store(
      session->loop_, url, {.timeout = kOperationTimeout, .seed = guard::random_identity().seed});
  if (!store) {
    context.err << "switchgear: " << store.error().text() << '\n';
    exit_code = kUsage;
    return nullptr;
  }
  session->store_ = std::move(*store);
  return session;
}

template <class T>
Result<T> StoreSession::wait_for(const std::function<void(std::function<void(Result<T>)>)>& start) {
  // Shared, as an answer may still come after an interrupt.
  const auto answer = std::make_shared<std::optional<Result<T>>>();
  start([answer](Result<T> result) { *answer = std::move(result); });
  loop_.run_until([&] { return answer->has_value() || interrupted_; }, kPatience);
  if (*answer) return std::move(**answer);
  if (interrupted_) {
    return Error{.code = "interrupted", .message = "", .retryable = false, .source = ""};
  }
  return Error{.code = "timeout",
               .message = "the store did not answer within a minute",
               .retryable = true,
               .source = store_->backend()};
}

Result<fleet::Answer> StoreSession::execute(const std::string& circuit,
                                            const fleet::Operation& operation) {
  return wait_for<fleet::Answer>(
      [&](auto done) { store_->execute(circuit, operation, std::move(done)); });
}

Result<std::vector<std::string>> StoreSession::names() {
  return wait_for<std::vector<std::string>>([&](auto done) { store_->list(std::move(done)); });
}

Result<void> StoreSession::remove(const std::string& circuit) {
  return wait_for<void>([&](auto done) { store_->remove(circuit, std::move(done)); });
}

bool StoreSession::pause(Duration duration) {
  loop_.run_until([this] { return interrupted_; }, duration);
  return !interrupted_;
}

int report_store_error(Context& context, const Error& error) {
  if (error.code == "interrupted") {
    context.err << "switchgear: interrupted\n";
    return kInterrupted;
  }
  context.err << "switchgear: " << error.text() << '\n';
  if (!is_unreachable(error)) return kFailed;
  context.err << "Is that the right store? It comes from --store, SWITCHGEAR_STORE, or store in "
                 "switchgear.yaml.\n";
  return kStoreUnreachable;
}

}  // namespace switchgear::cli
