// Who gives credentials to whatever signs requests, for as long as a process runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "aws/credentials.h"
#include "core/result.h"
#include "core/time.h"

namespace switchgear::aws {

using CredentialsPtr = std::shared_ptr<const Credentials>;

// What a person should hear of credentials that are slow to come, or that do not come.
struct CredentialsNews {
  enum class Kind : unsigned char {
    awaited,      // somebody has been waiting for them for some seconds, and still does
    not_renewed,  // new ones did not come; the present ones go on serving
    renewed,      // they did, after failures
  };
  Kind kind = Kind::awaited;
  // Where they come from or should come from; of a chain, the link that is being waited for.
  std::string from;
  std::string reason = {};                 // not_renewed: why not
  std::optional<Duration> serve_for = {};  // not_renewed: how long the present ones still do

  // One sentence. Never a secret.
  std::string text() const;
};
using CredentialsListener = std::function<void(const CredentialsNews&)>;

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

  // Tells `listener` of trouble from now on, on the loop's thread, from inside get() too. It may
  // not end the provider.
  virtual void listen(const CredentialsListener& /*listener*/) {}

  // A service refused these as expired or unknown. True if the next get() may give others, for
  // which it then waits.
  virtual bool refused(const CredentialsPtr& credentials) = 0;
};

// The same for ever.
std::shared_ptr<CredentialsProvider> fixed_credentials(Credentials credentials);

}  // namespace switchgear::aws
