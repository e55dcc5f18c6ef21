// A program run for what it prints, beside everything else that a Loop does.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "net/loop.h"

namespace switchgear::net {

struct ProgramOptions {
  Duration timeout = 60s;
  std::size_t output_bytes_max = 64 << 10;
};

// Standard input is empty, standard error goes nowhere: a program may write there what nobody may
// see. Only these three descriptors, and the variables of this process. No shell. On the loop's
// thread.
class ChildProcess {
 public:
  // Its standard output, after it ended with 0. Errors "process", never with anything it printed:
  // it cannot be started, ended otherwise, printed too much, or ran for too long and was killed
  // with all it had started.
  using Callback = std::function<void(Result<std::string>)>;

  // Starts argv[0], looked up in PATH; argv is not empty. `loop` outlives the object. `callback` is
  // called once, never from inside the constructor.
  ChildProcess(Loop& loop, const std::vector<std::string>& argv, ProgramOptions options,
               Callback callback);
  // A program that still runs is killed; nobody is called.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

 private:
  void look();
  bool drain();
  void finish(Result<std::string> result);
  void kill();
  void look_again();

  Loop& loop_;
  const ProgramOptions options_;
  Callback callback_;
  std::string program_;
  MonoTime deadline_;
  std::string output_;
  int pipe_ = -1;
  int pid_ = -1;
  Timer timer_;
};

}  // namespace switchgear::net
