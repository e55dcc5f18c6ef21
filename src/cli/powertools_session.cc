#include "cli/powertools_session.h"

#include <ostream>

#include "guard/identity.h"

namespace switchgear::cli {

std::unique_ptr<PowertoolsSession> PowertoolsSession::open(Context& context, const std::string& url,
                                                           int& exit_code) {
  std::unique_ptr<PowertoolsSession> session(new PowertoolsSession);
  auto table =
      stores::PowertoolsTable::open(session->loop_.loop(), url, guard::random_identity().seed,
                                    context.aws_environment(), context.credentials_listener());
  if (!table) {
    context.err << "switchgear: " << table.error().text() << '\n';
    exit_code = kUsage;
    return nullptr;
  }
  session->table_ = std::move(*table);
  return session;
}

Result<stores::PowertoolsListing> PowertoolsSession::list() {
  return loop_.wait_for<stores::PowertoolsListing>(
      "dynamodb", [&](auto done) { table_->list(std::move(done)); });
}

Result<stores::PowertoolsReading> PowertoolsSession::read(const std::string& circuit,
                                                          bool consistent) {
  return loop_.wait_for<stores::PowertoolsReading>(
      "dynamodb", [&](auto done) { table_->read(circuit, consistent, std::move(done)); });
}

Result<stores::PowertoolsWrite> PowertoolsSession::write(const stores::PowertoolsChange& change) {
  return loop_.wait_for<stores::PowertoolsWrite>(
      "dynamodb", [&](auto done) { table_->write(change, std::move(done)); });
}

}  // namespace switchgear::cli
