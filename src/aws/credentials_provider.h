// Who gives credentials to whatever signs requests, for as long as a process runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "aws/credentials.h"
#include "core/result.h"

namespace switchgear::aws {

using CredentialsPtr = std::shared_ptr<const Credentials>;

// On the loop's thread. One provider serves every client of a process.
class CredentialsProvider {
 public:
  using Callback = std::function<void(Result<CredentialsPtr>)>;

  CredentialsProvider() = default;
  CredentialsProvider(const CredentialsProvider&) = delete;
  CredentialsProvider& operator=(const CredentialsProvider&) = delete;
  virtual ~CredentialsProvider() = default;

  // Credentials to sign with now. `callback` is called exactly once, from inside get() if they are
  // at hand; never after the provider's end. Error "credentials", whose source names where they
  // should have come from.
  virtual void get(Callback callback) = 0;

  // Where they come from, for people: "profile prod of ~/.aws/config and ~/.aws/credentials".
  virtual std::string name() const = 0;

  // A service refused these as expired or unknown. True if the next get() may give others, for
  // which it then waits.
  virtual bool refused(const CredentialsPtr& credentials) = 0;
};

// The same for ever.
std::shared_ptr<CredentialsProvider> fixed_credentials(Credentials credentials);

}  // namespace switchgear::aws
