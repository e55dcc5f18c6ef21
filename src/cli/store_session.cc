#include "cli/store_session.h"

#include <ostream>

#include "guard/identity.h"
#include "stores/open.h"

namespace switchgear::cli {
namespace {

constexpr Duration kOperationTimeout = 3s;
// A credential_process may ask services of its own.
constexpr Duration kCredentialsTimeout = 50s;

bool is_unreachable(const Error& error) {
  for (const std::string_view code : {"connect", "timeout", "closed", "auth", "protocol", "LOADING",
                                      "CLUSTERDOWN", "MASTERDOWN"}) {
    if (error.code == code) return true;
  }
  return false;
}

}  // namespace

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
  auto store = stores::open_store(session->loop_.loop(), url,
                                  {.timeout = kOperationTimeout,
                                   .seed = guard::random_identity().seed,
                                   .environment = context.aws_environment(),
                                   .on_credentials = context.credentials_listener(),
                                   .credentials_timeout = kCredentialsTimeout});
  if (!store) {
    context.err << "switchgear: " << store.error().text() << '\n';
    exit_code = kUsage;
    return nullptr;
  }
  session->store_ = std::move(*store);
  return session;
}

Result<fleet::Answer> StoreSession::execute(const std::string& circuit,
                                            const fleet::Operation& operation) {
  return loop_.wait_for<fleet::Answer>(
      store_->backend(), [&](auto done) { store_->execute(circuit, operation, std::move(done)); });
}

Result<std::vector<std::string>> StoreSession::names() {
  return loop_.wait_for<std::vector<std::string>>(
      store_->backend(), [&](auto done) { store_->list(std::move(done)); });
}

Result<stores::NoteAnswer> StoreSession::read_note(const std::string& circuit) {
  return loop_.wait_for<stores::NoteAnswer>(
      store_->backend(), [&](auto done) { store_->read_note(circuit, std::move(done)); });
}

Result<void> StoreSession::remove(const std::string& circuit) {
  return loop_.wait_for<void>(store_->backend(),
                              [&](auto done) { store_->remove(circuit, std::move(done)); });
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
