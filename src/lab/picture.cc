#include "lab/picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <ostream>
#include <string>

namespace switchgear::lab {

namespace {

constexpr double kWidth = 860;
constexpr double kLeft = 64;
constexpr double kRight = 20;
constexpr double kPanelHeight = 170;
constexpr double kGap = 62;
constexpr double kTop = 74;
constexpr double kHeight = kTop + 2 * kPanelHeight + kGap + 52;

constexpr const char* kOk = "#2f7d4f";
constexpr const char* kFailed = "#c0392b";
constexpr const char* kGrey = "#7a7a7a";

using Series = std::function<double(const OutageSecond&)>;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// 1, 2 or 5 times a power of ten.
double nice_step(double range) {
  const double power = std::pow(10, std::floor(std::log10(std::max(range, 1.0) / 4)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (range / (factor * power) <= 5) return factor * power;
  }
  return 10 * power;
}

std::string with_commas(double value) {
  std::string text = std::to_string(static_cast<long long>(std::llround(value)));
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

class Panel {
 public:
  Panel(std::ostream& svg, double top, double seconds, double most, const std::string& title)
      : svg_(svg), top_(top), seconds_(seconds), most_(std::max(most, 1.0)) {
    text(kLeft, top - 10, title, "start", "13", "currentColor");
    const double step = nice_step(most_);
    for (double v = 0; v <= most_ * 1.001; v += step) {
      svg_ << "<line x1='" << kLeft << "' x2='" << kWidth - kRight << "' y1='" << number(y(v))
           << "' y2='" << number(y(v)) << "' stroke='" << kGrey << "' stroke-opacity='0.25'/>\n";
      text(kLeft - 8, y(v) + 4, with_commas(v), "end", "11", kGrey);
    }
  }

  void outage(double from, double to, bool named) {
    svg_ << "<rect x='" << number(x(from)) << "' y='" << number(top_) << "' width='"
         << number(x(to) - x(from)) << "' height='" << kPanelHeight << "' fill='" << kFailed
         << "' fill-opacity='0.09'/>\n";
    if (named) {
      text((x(from) + x(to)) / 2, top_ + 15, "dependency down", "middle", "11", kFailed);
    }
  }

  // The mean of a few seconds around each, so that the line can be read.
  void line(const std::vector<OutageSecond>& seconds, const Series& series, const char* colour,
            bool dashed, int smooth) {
    svg_ << "<polyline fill='none' stroke='" << colour
         << "' stroke-width='1.8' stroke-linejoin='round'"
         << (dashed ? " stroke-dasharray='5 4'" : "") << " points='";
    const int count = static_cast<int>(seconds.size());
    for (int i = 0; i < count; ++i) {
      double sum = 0;
      int n = 0;
      for (int k = std::max(0, i - smooth); k <= std::min(count - 1, i + smooth); ++k, ++n) {
        sum += series(seconds[static_cast<std::size_t>(k)]);
      }
      const auto& s = seconds[static_cast<std::size_t>(i)];
      if (s.second > seconds_) break;
      svg_ << number(x(s.second)) << "," << number(y(std::min(sum / n, most_))) << " ";
    }
    svg_ << "'/>\n";
  }

  void times() {
    const double step = nice_step(seconds_);
    for (double t = 0; t <= seconds_; t += step) {
      text(x(t), top_ + kPanelHeight + 17, with_commas(t) + " s", "middle", "11", kGrey);
    }
  }

  void text(double at_x, double at_y, const std::string& words, const char* anchor,
            const char* size, const char* colour) {
    svg_ << "<text x='" << number(at_x) << "' y='" << number(at_y) << "' text-anchor='" << anchor
         << "' font-size='" << size << "' fill='" << colour << "'>" << words << "</text>\n";
  }

 private:
  double x(double second) const { return kLeft + (kWidth - kLeft - kRight) * second / seconds_; }
  double y(double value) const { return top_ + kPanelHeight * (1 - value / most_); }

  std::ostream& svg_;
  double top_;
  double seconds_;
  double most_;
};

void legend(std::ostream& svg) {
  const auto entry = [&](double x, const char* colour, bool dashed, const char* words) {
    svg << "<line x1='" << x << "' x2='" << x + 28 << "' y1='44' y2='44' stroke='" << colour
        << "' stroke-width='2.2'" << (dashed ? " stroke-dasharray='5 4'" : "") << "/>\n"
        << "<text x='" << x + 34 << "' y='48' font-size='12' fill='currentColor'>" << words
        << "</text>\n";
  };
  entry(kLeft, kOk, false, "with circuit");
  entry(kLeft + 132, kFailed, true, "without");
}

}  // namespace

void write_outage_picture(std::ostream& svg, const OutageResult& with, const OutageResult& without,
                          TrueTime down_at, TrueTime up_at) {
  double seconds = static_cast<double>(std::max<std::size_t>(with.seconds.size(), 2));
  seconds = std::max(seconds, std::min(static_cast<double>(without.seconds.size()), 1.3 * seconds));
  const auto most = [&](const Series& series) {
    double m = 0;
    for (const auto* run : {&with, &without}) {
      for (const OutageSecond& s : run->seconds) {
        if (s.second <= seconds) m = std::max(m, series(s));
      }
    }
    return m;
  };
  const Series ok = [](const OutageSecond& s) { return static_cast<double>(s.ok); };
  const Series waiting = [](const OutageSecond& s) {
    return static_cast<double>(s.waiting + static_cast<std::size_t>(s.in_flight));
  };

  svg << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << kWidth << " " << kHeight
      << "' font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif' "
         "color='#1f2328' role='img' aria-label='An outage with and without a shared circuit'>\n"
      << "<style>@media (prefers-color-scheme: dark){svg{color:#e6edf3}}</style>\n"
      << "<text x='" << kLeft
      << "' y='24' font-size='15' font-weight='600' fill='currentColor'>An outage of "
      << std::llround(to_seconds(up_at - down_at))
      << " s: four workers, one queue, one dependency</text>\n";
  legend(svg);

  Panel calls(svg, kTop, seconds, 1.15 * most(ok), "calls answered per second");
  calls.outage(to_seconds(down_at), to_seconds(up_at), true);
  calls.line(without.seconds, ok, kFailed, true, 1);
  calls.line(with.seconds, ok, kOk, false, 1);

  Panel queue(svg, kTop + kPanelHeight + kGap, seconds, 1.1 * most(waiting),
              "messages waiting or in calls");
  queue.outage(to_seconds(down_at), to_seconds(up_at), false);
  queue.line(without.seconds, waiting, kFailed, true, 0);
  queue.line(with.seconds, waiting, kOk, false, 0);
  queue.times();

  const auto summary = [&](const OutageResult& r) {
    return with_commas(static_cast<double>(r.failed_calls)) + " failed calls, " +
           with_commas(static_cast<double>(r.dead_lettered)) + " messages dead-lettered";
  };
  svg << "<text x='" << kLeft << "' y='" << kHeight - 10
      << "' font-size='12' fill='currentColor'>With: " << summary(with)
      << ". Without: " << summary(without) << ".</text>\n</svg>\n";
}

}  // namespace switchgear::lab
