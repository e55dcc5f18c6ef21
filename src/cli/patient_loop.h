// A loop for commands that ask a few things one after the other. Ctrl-C ends the waiting, not the
// program.
#pragma once

#include <functional>
#include <string>

#include "net/waiting.h"

namespace switchgear::cli {

class PatientLoop {
 public:
  PatientLoop() {
    loop_.on_stop_signal([this](int) {
      interrupted_ = true;
      loop_.stop();
    });
  }
  PatientLoop(const PatientLoop&) = delete;
  PatientLoop& operator=(const PatientLoop&) = delete;

  net::Loop& loop() { return loop_; }
  // Is stopped by Ctrl-C.
  net::Waiting& waiting() { return waiting_; }

  // See net::Waiting.
  template <class T>
  Result<T> wait_for(const std::string& whom,
                     const std::function<void(std::function<void(Result<T>)>)>& start) {
    return waiting_.wait_for<T>(whom, start);
  }
  bool pause(Duration duration) { return waiting_.pause(duration); }

 private:
  net::Loop loop_;
  bool interrupted_ = false;
  net::Waiting waiting_{loop_, [this] { return interrupted_; }};
};

}  // namespace switchgear::cli
