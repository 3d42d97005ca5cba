#include "router/question_trace.h"

#include <algorithm>
#include <string>

#include "engine/sampler_math.h"
#include "router/calibration/wording.h"

namespace kedge::router {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

TokenPart part_of(std::string_view word, bool opens) {
  const auto first = std::find_if(word.begin(), word.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (static_cast<unsigned char>(c) & 0x80U);
  });
  if (std::any_of(word.begin(), word.end(), is_digit)) return TokenPart::kNumber;
  const bool capital = begins_upper(word.substr(static_cast<size_t>(first - word.begin())));
  if (capital && opens) return TokenPart::kOpening;
  return capital ? TokenPart::kName : TokenPart::kWording;
}

}  // namespace

std::vector<TokenPart> question_parts(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::string text;
  std::vector<size_t> begins;
  for (const int32_t id : ids) {
    begins.push_back(text.size());
    text += tokenizer.is_control(id) ? tokenizer.token_text(id) : tokenizer.piece(id);
  }
  const size_t brought = brought_text(text);
  const size_t opening = text.find_first_not_of(" \t\r\n");
  std::vector<TokenPart> parts;
  parts.reserve(ids.size());
  for (size_t begin : begins) {
    while (begin < text.size() && is_space(text[begin])) ++begin;
    if (begin >= std::min(brought, text.size())) {
      parts.push_back(begin >= text.size() ? TokenPart::kWording : TokenPart::kText);
      continue;
    }
    size_t end = begin;
    while (begin > 0 && !is_space(text[begin - 1])) --begin;
    while (end < text.size() && !is_space(text[end])) ++end;
    parts.push_back(part_of(std::string_view(text).substr(begin, end - begin), begin == opening));
  }
  return parts;
}

double token_logprob(const KernelTable& kernels, std::span<const float> logits, int32_t token,
                     std::vector<float>& scratch) {
  scratch.assign(logits.begin(), logits.end());
  const auto best = static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  kernels.softmax(scratch.data(), static_cast<int>(scratch.size()));
  const double log_total = -stable_log(std::max(static_cast<double>(scratch[best]), 1e-30));
  const double relative = static_cast<double>(logits[static_cast<size_t>(token)]) - logits[best];
  return std::min(0.0, relative - log_total);
}

}  // namespace kedge::router
