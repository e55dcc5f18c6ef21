#include "aws/role_credentials.h"

#include <utility>

#include "aws/credentials_answer.h"
#include "aws/query_form.h"
#include "aws/shared_config.h"
#include "net/url.h"

namespace switchgear::aws {
namespace {

constexpr std::size_t kTokenBytesMax = 64 << 10;  // STS takes 20,000 characters

QueryForm role_form(const std::string& action, const Role& role) {
  QueryForm form(action, "2011-06-15");
  form.add("RoleArn", role.arn);
  form.add("RoleSessionName", role.session_name);
  if (role.duration_seconds) form.add("DurationSeconds", std::to_string(*role.duration_seconds));
  return form;
}

// What is common to both: one call to STS.
class RoleCredentials : public CredentialsSource {
 public:
  RoleCredentials(StsAccess sts, Role role, std::string name, core::Random random)
      : sts_(std::move(sts)), role_(std::move(role)), name_(std::move(name)), random_(random) {}

  std::string name() const override { return name_; }

 protected:
  const Role& role() const { return role_; }

  // Unsigned without credentials.
  void call_sts(const std::string& action, std::string body,
                std::shared_ptr<CredentialsProvider> credentials, Callback callback) {
    client_ =
        std::make_unique<AwsClient>(sts_.loop, sts_.http, sts_.endpoint, std::move(credentials),
                                    core::Random(random_.next()), sts_.options);
    client_->call({.body = std::move(body),
                   .attempt_timeout = 10s,
                   .content_type = std::string(QueryForm::kContentType)},
                  [this, action, callback = std::move(callback)](Result<Answer> answer) {
                    if (answer) return callback(read_sts_credentials(answer->body, action));
                    callback(refusal(std::move(answer).error()));
                  });
  }

  Error refusal(Error error) const {
    const bool denied = error.code == "AccessDenied";
    error.message = "cannot take on the role " + role_.arn + ": " + error.source + ": " +
                    error.code + ": " + error.message;
    if (denied) {
      error.message +=
          ": its trust policy must name the caller, and the caller's own policy must allow "
          "sts:AssumeRole (with web identity: sts:AssumeRoleWithWebIdentity) on it";
    }
    return credentials_error(std::move(error.message), error.retryable);
  }

 private:
  const StsAccess sts_;
  const Role role_;
  const std::string name_;
  core::Random random_;
  std::unique_ptr<AwsClient> client_;
};

class AssumedRole final : public RoleCredentials {
 public:
  AssumedRole(StsAccess sts, Role role, std::unique_ptr<CredentialsSource> base, std::string name,
              core::Random random)
      : RoleCredentials(std::move(sts), std::move(role), std::move(name), random),
        base_(std::move(base)) {}

  void fetch(Callback callback) override {
    with_base_ = true;
    base_->fetch([this, callback = std::move(callback)](Result<Credentials> base) mutable {
      with_base_ = false;
      if (!base) {
        Error error = std::move(base).error();
        error.message = base_->name() + ": " + error.message;
        return callback(std::move(error));
      }
      call_sts("AssumeRole", assume_role_request(role()), fixed_credentials(*std::move(base)),
               std::move(callback));
    });
  }

  std::string awaited() const override {
    return with_base_ ? base_->awaited() + ", for the " + name() : name();
  }

 private:
  const std::unique_ptr<CredentialsSource> base_;
  bool with_base_ = false;  // its fetch is under way
};

class WebIdentityRole final : public RoleCredentials {
 public:
  WebIdentityRole(StsAccess sts, Role role, std::string token_file, std::string name,
                  core::Random random)
      : RoleCredentials(std::move(sts), std::move(role), std::move(name), random),
        token_file_(std::move(token_file)) {}

  void fetch(Callback callback) override {
    const auto token = read_small_file(token_file_, kTokenBytesMax, "credentials");
    if (!token) {
      Error error = token.error();
      error.retryable = true;  // it may just be replaced
      return callback(std::move(error));
    }
    call_sts("AssumeRoleWithWebIdentity", web_identity_request(role(), *token), nullptr,
             std::move(callback));
  }

 private:
  const std::string token_file_;
};

}  // namespace

std::string assume_role_request(const Role& role) {
  QueryForm form = role_form("AssumeRole", role);
  if (!role.external_id.empty()) form.add("ExternalId", role.external_id);
  return form.text();
}

std::string web_identity_request(const Role& role, const std::string& token) {
  QueryForm form = role_form("AssumeRoleWithWebIdentity", role);
  form.add("WebIdentityToken", token);
  return form.text();
}

std::unique_ptr<CredentialsSource> assumed_role(StsAccess sts, Role role,
                                                std::unique_ptr<CredentialsSource> base,
                                                std::string name, core::Random random) {
  return std::make_unique<AssumedRole>(std::move(sts), std::move(role), std::move(base),
                                       std::move(name), random);
}

std::unique_ptr<CredentialsSource> web_identity_role(StsAccess sts, Role role,
                                                     std::string token_file, std::string name,
                                                     core::Random random) {
  return std::make_unique<WebIdentityRole>(std::move(sts), std::move(role), std::move(token_file),
                                           std::move(name), random);
}

}  // namespace switchgear::aws
