#include "engine/grammar/utf8_ranges.h"

namespace kedge::engine::grammar {
namespace {

size_t encode(char32_t c, std::array<uint8_t, 4>& out) {
  const auto continuation = [&](int shift) { return static_cast<uint8_t>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out = {static_cast<uint8_t>(c)};
    return 1;
  }
  if (c < 0x800) {
    out = {static_cast<uint8_t>(0xc0 | (c >> 6)), continuation(0)};
    return 2;
  }
  if (c < 0x10000) {
    out = {static_cast<uint8_t>(0xe0 | (c >> 12)), continuation(6), continuation(0)};
    return 3;
  }
  out = {static_cast<uint8_t>(0xf0 | (c >> 18)), continuation(12), continuation(6), continuation(0)};
  return 4;
}

}  // namespace

void append_utf8(char32_t c, std::string& out) {
  std::array<uint8_t, 4> bytes{};
  const size_t n = encode(c, bytes);
  out.append(reinterpret_cast<const char*>(bytes.data()), n);
}

// A range is cut until its first and its last character have encodings of one length that differ in such bytes only
// behind which all continuations are in it: then it is the product of its bytes' ranges.
void append_utf8(CharRange range, std::vector<ByteSequence>& out) {
  const auto cut = [&](char32_t last_of_first) {
    append_utf8({range.first, last_of_first}, out);
    append_utf8({last_of_first + 1, range.last}, out);
  };
  for (const char32_t longest : {0x7fu, 0x7ffu, 0xffffu}) {
    if (range.first <= longest && range.last > longest) return cut(longest);
  }
  for (int bits = 6; range.last > 0x7f && bits <= 18; bits += 6) {
    const char32_t low = (char32_t{1} << bits) - 1;
    if ((range.first & ~low) == (range.last & ~low)) continue;
    if ((range.first & low) != 0) return cut(range.first | low);
    if ((range.last & low) != low) return cut((range.last & ~low) - 1);
  }
  std::array<uint8_t, 4> first{};
  std::array<uint8_t, 4> last{};
  ByteSequence sequence{};
  sequence.size = encode(range.first, first);
  encode(range.last, last);
  for (size_t i = 0; i < sequence.size; ++i) sequence.ranges[i] = {first[i], last[i]};
  out.push_back(sequence);
}

}  // namespace kedge::engine::grammar
