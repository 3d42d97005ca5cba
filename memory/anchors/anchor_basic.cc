#include "memory/anchors/anchor_basic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "memory/anchors/bytes.h"
#include "memory/anchors/detector.h"
#include "memory/anchors/terms.h"

namespace kedge::memory {
namespace {

using anchors::has_at;
using anchors::is_digit;
using anchors::is_lower;
using anchors::is_upper;
using anchors::is_word;
using anchors::word_end;

std::string_view without_space_mark(std::string_view token) {
  for (const std::string_view mark : {"\xe2\x96\x81", "\xc4\xa0", " "}) {
    while (has_at(token, 0, mark)) token.remove_prefix(mark.size());
  }
  return token;
}

// A piece of a number or name that no rule for whole words knows: "83F", "KB", "_id", "1982".
bool is_piece(std::string_view word) {
  int digits = 0, upper = 0, lower = 0, inner = 0;
  for (const char c : word) {
    digits += is_digit(c) ? 1 : 0;
    upper += is_upper(c) ? 1 : 0;
    lower += is_lower(c) ? 1 : 0;
    inner += c == '_' ? 1 : 0;
  }
  if (inner > 0 && digits + upper + lower > 0) return true;
  if (digits > 0) return upper > 0 || (digits >= 3 && lower == 0);
  return upper >= 2 && lower == 0;
}

}  // namespace

bool is_reference_token(std::string_view token) {
  const std::string_view text = without_space_mark(token);
  std::vector<Term> terms;
  distinctive_terms(text, &terms);
  if (!terms.empty()) return true;
  for (const Reference& r : detect_references(text, true).references) {
    if (r.strength == ReferenceStrength::kStrong || r.kind == ReferenceKind::kBracket) return true;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_word(text[i])) continue;
    const size_t end = word_end(text, i);
    if (is_piece(text.substr(i, end - i))) return true;
    i = end - 1;
  }
  return false;
}

std::vector<int> select_anchors(std::span<const std::string> tokens, std::span<const float> attention_scores,
                                float threshold) {
  std::vector<int> selected;
  for (size_t i = 0; i < std::min(tokens.size(), attention_scores.size()); ++i) {
    if (attention_scores[i] > threshold && is_reference_token(tokens[i])) selected.push_back(static_cast<int>(i));
  }
  return selected;
}

std::vector<ScoredPosition> with_scores(std::span<const int> positions, std::span<const float> attention_scores) {
  std::vector<ScoredPosition> anchors;
  anchors.reserve(positions.size());
  for (const int p : positions) {
    const bool known = p >= 0 && static_cast<size_t>(p) < attention_scores.size();
    anchors.push_back({p, known ? attention_scores[static_cast<size_t>(p)] : 0.0F});
  }
  return anchors;
}

Retention evict_policy(std::span<const int> kv_store, std::span<const ScoredPosition> anchors, int max_tokens) {
  Retention r;
  const size_t budget = static_cast<size_t>(std::max(max_tokens, 0));
  std::vector<int> present(kv_store.begin(), kv_store.end());
  std::sort(present.begin(), present.end());
  present.erase(std::unique(present.begin(), present.end()), present.end());

  std::unordered_map<int, float> pins;
  for (const ScoredPosition& a : anchors) {
    if (!std::binary_search(present.begin(), present.end(), a.position)) continue;
    const float score = std::isnan(a.score) ? -std::numeric_limits<float>::infinity() : a.score;
    const auto [pin, added] = pins.emplace(a.position, score);
    if (!added) pin->second = std::max(pin->second, score);
  }
  // In the order they would be dropped.
  std::vector<ScoredPosition> order;
  order.reserve(pins.size());
  for (const auto& [position, score] : pins) order.push_back({position, score});
  std::sort(order.begin(), order.end(), [](const ScoredPosition& a, const ScoredPosition& b) {
    return a.score != b.score ? a.score < b.score : a.position < b.position;
  });
  const size_t dropped = order.size() > budget ? order.size() - budget : 0;
  for (size_t i = 0; i < dropped; ++i) r.surplus.push_back(order[i].position);
  for (size_t i = dropped; i < order.size(); ++i) r.kept.push_back(order[i].position);
  for (size_t i = present.size(); i > 0 && r.kept.size() < budget; --i) {
    if (!pins.contains(present[i - 1])) r.kept.push_back(present[i - 1]);
  }
  std::sort(r.kept.begin(), r.kept.end());
  return r;
}

}  // namespace kedge::memory
