#include "ops/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/assert.h"

namespace switchgear::ops {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

void append_escaped(std::string& out, std::string_view value, bool quotes) {
  for (const char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1, 0) {
  SG_ASSERT(std::is_sorted(bounds_.begin(), bounds_.end()));
}

Histogram Histogram::of_seconds() {
  return Histogram({0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
}

void Histogram::observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<std::size_t>(at - bounds_.begin())]++;
  sum_ += value;
}

void MetricsText::family(std::string_view name, Type type, std::string_view help) {
  family_ = name;
  text_ += "# HELP " + family_ + " ";
  append_escaped(text_, help, false);
  text_ += "\n# TYPE " + family_;
  text_ += type == Type::counter ? " counter\n" : type == Type::gauge ? " gauge\n" : " histogram\n";
}

void MetricsText::line(std::string_view suffix, Labels labels, const Label* extra, double value) {
  text_ += family_;
  text_ += suffix;
  char separator = '{';
  const auto add = [&](const Label& label) {
    text_ += separator;
    separator = ',';
    text_ += label.first;
    text_ += "=\"";
    append_escaped(text_, label.second, true);
    text_ += '"';
  };
  for (const Label& label : labels) add(label);
  if (extra != nullptr) add(*extra);
  if (separator == ',') text_ += '}';
  text_ += ' ';
  text_ += number(value);
  text_ += '\n';
}

void MetricsText::sample(Labels labels, double value) { line("", labels, nullptr, value); }

void MetricsText::histogram(Labels labels, const Histogram& histogram) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < histogram.counts().size(); i++) {
    below += histogram.counts()[i];
    const std::string bound =
        i < histogram.bounds().size() ? number(histogram.bounds()[i]) : "+Inf";
    const Label le{"le", bound};
    line("_bucket", labels, &le, static_cast<double>(below));
  }
  line("_sum", labels, nullptr, histogram.sum());
  line("_count", labels, nullptr, static_cast<double>(below));
}

std::string Metrics::text() const {
  MetricsText text;
  for (const Collector& collector : collectors_) collector(text);
  return text.text();
}

}  // namespace switchgear::ops
