#include "lab/fault_picture.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <ostream>

namespace switchgear::lab {

namespace {

constexpr double kWidth = 860;
constexpr double kLeft = 118;
constexpr double kRight = 20;
constexpr double kBand = 18;
constexpr double kAlarmTop = 64;
constexpr double kCircuitTop = 92;
constexpr double kAdmittedTop = 144;
constexpr double kAgeTop = 262;
constexpr double kPanel = 80;
constexpr double kHeight = 384;

constexpr const char* kGood = "#2f7d4f";
constexpr const char* kBad = "#c0392b";
constexpr const char* kTrying = "#c9861a";
constexpr const char* kRamp = "#2f6db5";
constexpr const char* kGrey = "#7a7a7a";

using AlarmState = controller::AlarmView::State;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

const char* colour_of(AlarmState state) {
  if (state == AlarmState::alarm) return kBad;
  return state == AlarmState::ok ? kGood : kGrey;
}
const char* colour_of(State state) {
  switch (state) {
    case State::closed:
      return kGood;
    case State::open:
      return kBad;
    case State::half_open:
      return kTrying;
    case State::recovering:
      return kRamp;
  }
  return kGrey;
}

class Picture {
 public:
  Picture(std::ostream& svg, const FaultResult& result, double minutes)
      : svg_(svg), samples_(result.samples), minutes_(minutes) {}

  void text(double at_x, double at_y, std::string_view words, const char* anchor = "start",
            const char* size = "12", const char* colour = "currentColor") {
    svg_ << "<text x='" << number(at_x) << "' y='" << number(at_y) << "' text-anchor='" << anchor
         << "' font-size='" << size << "' fill='" << colour << "'>" << words << "</text>\n";
  }

  void fault(const DependencyFault& fault) {
    const TrueTime end = TrueTime{std::chrono::duration_cast<TrueTime>(minutes_ * 1min)};
    for (std::size_t i = 0; i < fault.health.size(); ++i) {
      const Health& h = fault.health[i];
      if (h.well()) continue;
      const TrueTime until = i + 1 < fault.health.size() ? fault.health[i + 1].at : end;
      const double opacity = h.failing == 1 || h.hangs ? 0.14 : 0.07;
      svg_ << "<rect x='" << number(x(h.at)) << "' y='" << kAlarmTop - 6 << "' width='"
           << number(x(until) - x(h.at)) << "' height='" << kAgeTop + kPanel - kAlarmTop + 6
           << "' fill='" << kBad << "' fill-opacity='" << opacity << "'/>\n";
    }
  }

  // One rectangle for each time that the colour stays the same.
  void band(double top, const char* title,
            const std::function<const char*(const FaultSample&)>& of) {
    text(kLeft - 10, top + 13, title, "end");
    for (std::size_t i = 0; i < samples_.size() && shown(i);) {
      std::size_t k = i;
      while (k < samples_.size() && shown(k) && of(samples_[k]) == of(samples_[i])) ++k;
      const double end = k < samples_.size() ? x(samples_[k].at) : x(samples_.back().at);
      svg_ << "<rect x='" << number(x(samples_[i].at)) << "' y='" << top << "' width='"
           << number(std::min(end, kWidth - kRight) - x(samples_[i].at)) << "' height='" << kBand
           << "' fill='" << of(samples_[i]) << "'/>\n";
      i = k;
    }
  }

  void panel(double top, const char* title, double most, double step, bool steps,
             const std::function<double(const FaultSample&)>& of) {
    text(kLeft, top - 8, title);
    const auto y = [&](double v) { return top + kPanel * (1 - std::min(v, most) / most); };
    for (double v = 0; v <= most * 1.001; v += step) {
      svg_ << "<line x1='" << kLeft << "' x2='" << kWidth - kRight << "' y1='" << number(y(v))
           << "' y2='" << number(y(v)) << "' stroke='" << kGrey << "' stroke-opacity='0.25'/>\n";
      char label[16];
      std::snprintf(label, sizeof label, "%g", v);
      text(kLeft - 10, y(v) + 4, label, "end", "11", kGrey);
    }
    // A line of steps needs its corners only; the other one point each half minute.
    constexpr std::size_t kEach = 6;
    svg_ << "<polyline fill='none' stroke='" << kRamp
         << "' stroke-width='1.8' stroke-linejoin='round' points='";
    for (std::size_t i = 0; i < samples_.size() && shown(i); ++i) {
      const double v = of(samples_[i]);
      const bool last = i + 1 == samples_.size() || !shown(i + 1);
      const bool corner = i == 0 || last || v != of(samples_[i - 1]);
      if (steps ? !corner : i % kEach != 0 && !last) continue;
      if (steps && i > 0)
        svg_ << number(x(samples_[i].at)) << "," << number(y(of(samples_[i - 1]))) << " ";
      svg_ << number(x(samples_[i].at)) << "," << number(y(v)) << " ";
    }
    svg_ << "'/>\n";
  }

  void times() {
    for (double m = 0; m <= minutes_; m += 10) {
      text(x(std::chrono::duration_cast<TrueTime>(m * 1min)), kAgeTop + kPanel + 16, number0(m),
           "middle", "11", kGrey);
    }
    text(kWidth - kRight, kAgeTop + kPanel + 34, "minutes", "end", "11", kGrey);
  }

  void legend() {
    double at = kLeft;
    const auto entry = [&](const char* colour, std::string_view words, double width) {
      svg_ << "<rect x='" << at << "' y='41' width='12' height='12' fill='" << colour << "'/>\n";
      text(at + 17, 51, words, "start", "11");
      at += width;
    };
    entry(kGood, "OK, CLOSED", 98);
    entry(kBad, "ALARM, OPEN", 108);
    // A trial message that is answered at once is over before it could be seen.
    if (seen([](const FaultSample& f) { return f.circuit == State::half_open; })) {
      entry(kTrying, "HALF_OPEN", 96);
    }
    entry(kRamp, "RECOVERING", 106);
    entry(kGrey, "INSUFFICIENT_DATA", 148);
    svg_ << "<rect x='" << at << "' y='41' width='12' height='12' fill='" << kBad
         << "' fill-opacity='0.14'/>\n";
    text(at + 17, 51, "dependency fails", "start", "11");
  }

 private:
  static std::string number0(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", value);
    return text;
  }
  bool seen(const std::function<bool(const FaultSample&)>& what) const {
    for (std::size_t i = 0; i < samples_.size() && shown(i); ++i) {
      if (what(samples_[i])) return true;
    }
    return false;
  }
  bool shown(std::size_t i) const { return to_seconds(samples_[i].at) <= 60 * minutes_; }
  double x(TrueTime at) const {
    return kLeft + (kWidth - kLeft - kRight) * to_seconds(at) / (60 * minutes_);
  }

  std::ostream& svg_;
  const std::vector<FaultSample>& samples_;
  double minutes_;
};

// 1, 2 or 5 times a power of ten, so that there are four lines at most.
double step_of(double most) {
  double step = 1;
  for (const double factor : {1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0}) {
    step = factor;
    if (most / factor <= 4) break;
  }
  return step;
}

}  // namespace

std::string picture_name(const DependencyFault& fault) {
  return "fault-" + std::string(fault.file) + ".svg";
}

void write_fault_picture(std::ostream& svg, const DependencyFault& fault,
                         const FaultResult& result) {
  // Until everything is as before, and ten minutes more.
  const double over = result.stays_off() ? to_seconds(fault.until)
                                         : to_seconds(fault.ends) + result.full_seconds + 600;
  const double minutes = std::min(over, to_seconds(fault.until)) / 60;
  int admitted = 1;
  double age = 1;
  for (const FaultSample& s : result.samples) {
    if (to_seconds(s.at) > 60 * minutes) break;
    admitted = std::max(admitted, s.admitted);
    age = std::max(age, to_seconds(s.oldest) / 60);
  }
  svg << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << kWidth << " " << kHeight
      << "' font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif' "
         "color='#1f2328' role='img' aria-label='"
      << fault.title << "'>\n"
      << "<style>@media (prefers-color-scheme: dark){svg{color:#e6edf3}}</style>\n"
      << "<text x='20' y='24' font-size='15' font-weight='600' fill='currentColor'>" << fault.title
      << "</text>\n";
  Picture picture(svg, result, minutes);
  picture.legend();
  picture.fault(fault);
  picture.band(kAlarmTop, "alarm", [](const FaultSample& s) { return colour_of(s.alarm); });
  picture.band(kCircuitTop, "circuit", [](const FaultSample& s) { return colour_of(s.circuit); });
  picture.panel(kAdmittedTop, "invocations at a time that the mapping may have", admitted,
                step_of(admitted), true, [](const FaultSample& s) { return s.admitted; });
  picture.panel(kAgeTop, "age of the oldest message in the queue, minutes", 1.05 * age,
                step_of(age), false,
                [](const FaultSample& s) { return to_seconds(s.oldest) / 60; });
  picture.times();
  svg << "</svg>\n";
}

}  // namespace switchgear::lab
