#include "tokenizer/charsmap.h"

#include <algorithm>

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {
namespace {

uint32_t little_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

// The parts of a unit of the array.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7fffffffu; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000ffu; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::make(std::string_view bytes) {
  Charsmap map;
  if (bytes.empty()) return map;
  const auto corrupt = [&](const std::string& what) {
    return Error{ErrorCode::kCorrupt,
                 "tokenizer.ggml.precompiled_charsmap has " + std::to_string(bytes.size()) + " bytes, " + what};
  };
  if (bytes.size() < 4) return corrupt("too few for the size of its trie");
  const size_t size = little_endian(bytes, 0);
  if (size > bytes.size() - 4 || size % 4 != 0 || size == 0)
    return corrupt("but its trie should have " + std::to_string(size));
  for (size_t at = 4; at < 4 + size; at += 4) map.units_.push_back(little_endian(bytes, at));
  map.replacements_ = bytes.substr(4 + size);
  map.replacements_.push_back('\0');  // a last one that does not end
  return map;
}

Charsmap::Match Charsmap::longest_at(std::string_view text, size_t at) const {
  Match best;
  size_t node = offset_of(units_[0]);
  for (size_t i = at; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit) || node >= units_.size()) continue;
    const size_t value = value_of(units_[node]);
    if (value < replacements_.size()) best = {i + 1 - at, value};
  }
  return best;
}

void Charsmap::apply(std::string_view text, std::string* out, std::vector<size_t>* from) const {
  out->clear();
  from->clear();
  for (size_t i = 0; i < text.size();) {
    const Match match = units_.empty() ? Match{} : longest_at(text, i);
    const size_t length = match.length > 0 ? match.length : std::max<size_t>(utf8_char_length(text, i), 1);
    std::string_view now = text.substr(i, length);
    if (match.length > 0) now = std::string_view(replacements_).substr(match.value);
    if (match.length > 0) now = now.substr(0, now.find('\0'));
    out->append(now);
    for (size_t k = 0; k < now.size(); ++k) from->push_back(match.length > 0 ? i : i + k);
    i += length;
  }
}

}  // namespace kedge::tokenizer
