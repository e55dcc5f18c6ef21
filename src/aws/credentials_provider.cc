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

std::shared_ptr<CredentialsProvider> fixed_credentials(Credentials credentials) {
  return std::make_shared<FixedCredentials>(std::move(credentials));
}

}  // namespace switchgear::aws
