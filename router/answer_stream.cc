#include "router/answer_stream.h"

#include <algorithm>

namespace kedge::router {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::string answer_text(const Tokenizer& tokenizer, std::span<const int32_t> tokens) {
  while (!tokens.empty() && tokenizer.is_eog(tokens.back())) tokens = tokens.first(tokens.size() - 1);
  auto bytes = tokenizer.decode(tokens, {.skip_special = false});
  if (!bytes.ok()) return {};
  Utf8Stream stream;
  std::string text;
  stream.push(*bytes, &text);
  stream.flush(&text);
  return trimmed(text);
}

std::string AnswerStream::push(int32_t token) {
  bytes_.clear();
  if (tokenizer_->is_eog(token) || !detokenizer_.push(token, &bytes_).ok()) return {};
  characters_.push(bytes_, &held_);
  if (given_ == 0) held_.erase(0, std::min(held_.find_first_not_of(kBlanks), held_.size()));
  const size_t last = held_.find_last_not_of(kBlanks);
  if (last == std::string::npos) return {};
  std::string certain = held_.substr(0, last + 1);
  held_.erase(0, last + 1);
  given_ += certain.size();
  return certain;
}

std::string_view AnswerStream::rest(std::string_view whole) const {
  return whole.substr(std::min(given_, whole.size()));
}

}  // namespace kedge::router
