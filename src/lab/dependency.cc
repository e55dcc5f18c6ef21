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
  if (options_.queue_max >= 0 && serving_ >= options_.servers && queued() >= options_.queue_max) {
    scheduler_.after(kRefusal, [reply = std::move(reply)] { reply(Outcome::overload); });
    return;
  }
  queue_.push_back(std::move(reply));
  serve();
}

void Dependency::serve() {
  while (serving_ < options_.servers && !queue_.empty()) {
    Reply reply = std::move(queue_.front());
    queue_.pop_front();
    ++serving_;
    scheduler_.after(service_time(), [this, life = life_, reply = std::move(reply)] {
      if (life != life_) return;
      --serving_;
      ++served_;
      reply(random_.chance(options_.failure_rate) ? Outcome::failure : Outcome::success);
      serve();
    });
  }
}

Duration Dependency::service_time() {
  double factor = options_.exponential ? -std::log(1 - random_.unit()) : 1.0;
  factor *= 1 + options_.thrash * queued() / options_.servers;
  const Duration since = scheduler_.now() - back_at_;
  if (back_at_ > 0s && since < options_.warm_up) {
    const double warm = to_seconds(since) / to_seconds(options_.warm_up);
    factor /= options_.cold_share + (1 - options_.cold_share) * warm;
  }
  return std::chrono::duration_cast<Duration>(options_.service_mean * factor);
}

void Dependency::set_down(Down down) {
  if (down_ != Down::no && down == Down::no) back_at_ = scheduler_.now();
  if (down != Down::no) {
    ++life_;
    serving_ = 0;
    queue_.clear();
  }
  down_ = down;
}

}  // namespace switchgear::lab
