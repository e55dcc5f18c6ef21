#include "core/suggest.h"

#include <algorithm>
#include <cctype>

namespace switchgear::core {
namespace {

constexpr std::size_t kWordMax = 100;

std::string plain(std::string_view word) {
  std::string text;
  for (const char c : word.substr(0, kWordMax)) {
    if (c == '-' || c == '_') continue;
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

// Optimal string alignment: Levenshtein's distance with swapped neighbours as one step.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

// The shortest that begins like the word: `que` is far from `queue` as spelling errors go.
std::optional<std::string> begun(const std::string& wanted, const std::vector<std::string>& known) {
  constexpr std::size_t kLettersMin = 3;
  std::optional<std::string> best;
  if (wanted.size() < kLettersMin) return best;
  for (const std::string& candidate : known) {
    if (plain(candidate).starts_with(wanted) && (!best || candidate.size() < best->size())) {
      best = candidate;
    }
  }
  return best;
}

}  // namespace

std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known) {
  const std::string wanted = plain(word);
  if (wanted.empty()) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t d = distance(wanted, plain(candidate));
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best ? best : begun(wanted, known);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto found = closest(word, known);
  return found ? "; did you mean `" + *found + "`?" : "";
}

}  // namespace switchgear::core
