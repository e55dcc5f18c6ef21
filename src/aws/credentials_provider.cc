#include "aws/credentials_provider.h"

#include <utility>

namespace switchgear::aws {
namespace {

class FixedCredentials final : public CredentialsProvider {
 public:
  explicit FixedCredentials(Credentials credentials)
      : credentials_(std::make_shared<const Credentials>(std::move(credentials))) {}

  void get(Callback callback) override { callback(credentials_); }
  std::string name() const override { return "fixed credentials"; }
  bool refused(const CredentialsPtr&) override { return false; }

 private:
  const CredentialsPtr credentials_;
};

}  // namespace

std::string CredentialsNews::text() const {
  switch (kind) {
    case Kind::awaited:
      return "still waiting for AWS credentials: " + from;
    case Kind::not_renewed: {
      std::string out = "AWS credentials were not renewed: " + from + ": " + reason;
      if (serve_for) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*serve_for).count();
        out += "; the present ones serve for another " +
               (seconds < 120 ? std::to_string(seconds) + " s"
                              : std::to_string(seconds / 60) + " min");
      }
      return out;
    }
    case Kind::renewed:
      break;
  }
  return "AWS credentials are renewed again: " + from;
}

std::shared_ptr<CredentialsProvider> fixed_credentials(Credentials credentials) {
  return std::make_shared<FixedCredentials>(std::move(credentials));
}

}  // namespace switchgear::aws
