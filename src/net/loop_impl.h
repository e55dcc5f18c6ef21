// What a Loop is made of. Only for the .cc files of net/: it brings in Asio.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "net/loop.h"

namespace switchgear::net {

namespace asio = boost::asio;

struct Loop::Impl {
  // The hint 1 promises that one thread runs it at a time, which spares Asio its inner locking;
  // posting from other threads stays allowed.
  asio::io_context context{1};
  asio::signal_set signals{context};
  std::function<void(int)> on_signal;

  void wait_for_signal();
};

}  // namespace switchgear::net
