#include "lab/dependency.h"

#include <cmath>
#include <utility>

namespace switchgear::lab {

namespace {
constexpr Duration kRefusal = 2ms;
}

void Dependency::call(Reply reply) {
  ++received_;
  if (down_ == Down::refusing) {
    scheduler_.after(kRefusal, [reply = std::move(reply)] { reply(Outcome::failure); });
    return;
  }
  if (down_ == Down::black_hole) return;
  queue_.push_back(std::move(reply));
  serve();
}

void Dependency::serve() {
  while (serving_ < options_.servers && !queue_.empty()) {
    Reply reply = std::move(queue_.front());
    queue_.pop_front();
    ++serving_;
    const double unit = options_.exponential ? -std::log(1 - random_.unit()) : 1.0;
    const auto service = std::chrono::duration_cast<Duration>(options_.service_mean * unit);
    scheduler_.after(service, [this, life = life_, reply = std::move(reply)] {
      if (life != life_) return;
      --serving_;
      ++served_;
      reply(random_.chance(options_.failure_rate) ? Outcome::failure : Outcome::success);
      serve();
    });
  }
}

void Dependency::set_down(Down down) {
  if (down != Down::no) {
    ++life_;
    serving_ = 0;
    queue_.clear();
  }
  down_ = down;
}

}  // namespace switchgear::lab
