// Metrics in the text format of Prometheus, version 0.0.4.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchgear::ops {

// Counts observations by size. Not thread-safe.
class Histogram {
 public:
  // Upper bounds, ascending; the last, +Inf, is added.
  explicit Histogram(std::vector<double> bounds);
  // 5 ms to 60 s: what calls take.
  static Histogram of_seconds();
  void observe(double value);
  const std::vector<double>& bounds() const { return bounds_; }
  const std::vector<std::uint64_t>& counts() const { return counts_; }  // one more than bounds
  double sum() const { return sum_; }

 private:
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;
  double sum_ = 0;
};

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

// Builds the text. All samples of a family follow its family() call, before the next.
class MetricsText {
 public:
  enum class Type : unsigned char { counter, gauge, histogram };
  // `help` is one sentence.
  void family(std::string_view name, Type type, std::string_view help);
  // Of the current family. Label values may hold anything.
  void sample(Labels labels, double value);
  void histogram(Labels labels, const Histogram& histogram);
  const std::string& text() const { return text_; }

 private:
  void line(std::string_view suffix, Labels labels, const Label* extra, double value);
  std::string family_;
  std::string text_;
};

// What is asked at each scrape.
class Metrics {
 public:
  using Collector = std::function<void(MetricsText&)>;
  void add(Collector collector) { collectors_.push_back(std::move(collector)); }
  std::string text() const;

 private:
  std::vector<Collector> collectors_;
};

// The media type to serve the text as.
inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace switchgear::ops
