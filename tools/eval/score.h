// How answers to recall.jsonl are judged, exactly as /training/eval.py does it, and the arithmetic around it. Header
// only, so that tests can call it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::tools {

inline constexpr std::string_view kRefToken = "<|ref|>";
inline constexpr int kLeastBudget = 32;  // tokens

namespace detail {

// Bytes of the white space that begins at `i`, 0 when there is none. White space is what Python's str.strip() takes
// off: answers are compared with those that Python judged.
inline size_t space_at(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return k < s.size() ? static_cast<unsigned char>(s[k]) : 0u; };
  const unsigned a = byte(i);
  const unsigned b = byte(i + 1);
  const unsigned c = byte(i + 2);
  if (i >= s.size()) return 0;
  if (a == ' ' || (a >= 0x09 && a <= 0x0d) || (a >= 0x1c && a <= 0x1f)) return 1;
  if (a == 0xc2 && (b == 0x85 || b == 0xa0)) return 2;
  if (a == 0xe1 && b == 0x9a && c == 0x80) return 3;                              // U+1680
  if (a == 0xe2 && b == 0x80 && c >= 0x80 && c <= 0x8a) return 3;                 // U+2000 to U+200A
  if (a == 0xe2 && b == 0x80 && (c == 0xa8 || c == 0xa9 || c == 0xaf)) return 3;  // U+2028, U+2029, U+202F
  if (a == 0xe2 && b == 0x81 && c == 0x9f) return 3;                              // U+205F
  if (a == 0xe3 && b == 0x80 && c == 0x80) return 3;                              // U+3000
  return 0;
}

inline bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

inline std::vector<std::string_view> split(std::string_view text, std::string_view by) {
  std::vector<std::string_view> parts;
  for (size_t at; (at = text.find(by)) != std::string_view::npos; text.remove_prefix(at + by.size())) {
    parts.push_back(text.substr(0, at));
  }
  parts.push_back(text);
  return parts;
}

}  // namespace detail

inline std::string_view trimmed(std::string_view s) {
  while (const size_t n = detail::space_at(s, 0)) s.remove_prefix(n);
  while (!s.empty()) {
    size_t last = s.size() - 1;
    while (last > 0 && !detail::starts_character(s[last])) --last;
    if (detail::space_at(s, last) == 0) break;
    s = s.substr(0, last);
  }
  return s;
}

// Without white space at either end and around <|ref|>.
inline std::string normalised_answer(std::string_view text) {
  std::string out;
  const auto parts = detail::split(text, kRefToken);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += kRefToken;
    out += trimmed(parts[i]);
  }
  return out;
}

struct RecallAnswer {
  std::vector<std::string> values;
  std::vector<std::string> sources;
};

// "v<|ref|>r; v2<|ref|>r2": values v, v2 and sources r, r2. What follows the last <|ref|> is one source, "; " or not.
inline RecallAnswer parse_answer(std::string_view normalised) {
  const auto parts = detail::split(normalised, kRefToken);
  RecallAnswer answer;
  answer.values.emplace_back(trimmed(parts[0]));
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t cut = i + 1 < parts.size() ? parts[i].find("; ") : std::string_view::npos;
    answer.sources.emplace_back(trimmed(parts[i].substr(0, cut)));
    if (cut != std::string_view::npos) answer.values.emplace_back(trimmed(parts[i].substr(cut + 2)));
  }
  return answer;
}

// Tokens that `percent` of a prompt are. Halves go to the even number, as Python rounds.
inline int budget_tokens(size_t n_prompt, double percent) {
  return std::max(kLeastBudget, static_cast<int>(std::nearbyint(static_cast<double>(n_prompt) * percent / 100)));
}

// Byte where each code point begins, and the size behind the last.
inline std::vector<size_t> code_point_starts(std::string_view utf8) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < utf8.size(); ++i) {
    if (detail::starts_character(utf8[i])) starts.push_back(i);
  }
  starts.push_back(utf8.size());
  return starts;
}

// The generator of all random choices here: the same numbers on every machine (Steele, Lea, Flood 2014: SplitMix64).
class SplitMix {
 public:
  explicit SplitMix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(((next() >> 32) * n) >> 32); }  // n < 2^32

 private:
  uint64_t state_;
};

inline uint64_t text_seed(std::string_view text) {  // FNV-1a
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

struct Interval {
  double low = 0;
  double high = 0;
};

// 95 % interval of a share of n rows (Wilson 1927): never empty, also when all rows are right.
inline Interval wilson_interval(size_t right, size_t n) {
  if (n == 0) return {0, 1};
  constexpr double kZ = 1.959964;
  const auto rows = static_cast<double>(n);
  const double share = static_cast<double>(right) / rows;
  const double middle = share + kZ * kZ / (2 * rows);
  const double half = kZ * std::sqrt(share * (1 - share) / rows + kZ * kZ / (4 * rows * rows));
  const double scale = 1 + kZ * kZ / rows;
  return {right == 0 ? 0 : std::max(0.0, (middle - half) / scale),
          right == n ? 1 : std::min(1.0, (middle + half) / scale)};
}

}  // namespace kedge::tools
