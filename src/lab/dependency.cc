#include "lab/dependency.h"

#include <algorithm>
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
  if (options_.queue_max >= 0 && serving_ >= options_.servers && queued() >= options_.queue_max) {
    scheduler_.after(kRefusal, [reply = std::move(reply)] { reply(Outcome::overload); });
    return;
  }
  queue_.push_back(std::move(reply));
  serve();
}

double Dependency::slowness() const {
  const double crowd = static_cast<double>(queued()) / std::max(1, options_.servers);
  double factor = 1 + options_.thrash * std::max(0.0, crowd - 1);
  if (has_been_down_ && options_.cold_speed < 1) {
    const double warm = std::min(
        1.0, static_cast<double>(served_ - cold_from_) / std::max(1, options_.warm_after_calls));
    factor /= options_.cold_speed + (1 - options_.cold_speed) * warm;
  }
  return factor;
}

void Dependency::serve() {
  while (serving_ < options_.servers && !queue_.empty()) {
    Reply reply = std::move(queue_.front());
    queue_.pop_front();
    ++serving_;
    const double unit = options_.exponential ? -std::log(1 - random_.unit()) : 1.0;
    const auto service =
        std::chrono::duration_cast<Duration>(options_.service_mean * unit * slowness());
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
    cold_from_ = served_;
    has_been_down_ = true;
  }
  down_ = down;
}

}  // namespace switchgear::lab
