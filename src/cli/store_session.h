// A store for commands that ask a few things one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"
#include "net/loop.h"
#include "stores/store.h"

namespace switchgear::cli {

// Each call waits for its answer, or for Ctrl-C: the error "interrupted".
class StoreSession {
 public:
  // The store of this URL. Nothing comes back, and what is wrong is said on `context.err`, for a
  // store that cannot be opened; `exit_code` is then set.
  static std::unique_ptr<StoreSession> open(Context& context, const std::string& url,
                                            int& exit_code);

  Result<fleet::Answer> execute(const std::string& circuit, const fleet::Operation& operation);
  Result<std::vector<std::string>> names();
  Result<void> remove(const std::string& circuit);
  // Where a person finds the circuit's record: "key …".
  std::string record_place(const std::string& circuit) const {
    return store_->record_place(circuit);
  }
  // Waits; false if Ctrl-C came before the end.
  bool pause(Duration duration);

 private:
  StoreSession();
  // Runs the loop until `answered` is set by a callback that `start` hands over to the store.
  template <class T>
  Result<T> wait_for(const std::function<void(std::function<void(Result<T>)>)>& start);

  net::Loop loop_;
  bool interrupted_ = false;
  std::unique_ptr<stores::Store> store_;  // after loop_, which it uses
};

// Says on `context.err` what is wrong, with the fix, and answers the exit code for it.
int report_store_error(Context& context, const Error& error);

}  // namespace switchgear::cli
