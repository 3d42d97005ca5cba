// Sentences are cut between characters, whatever bytes these end in.
#include <gtest/gtest.h>

#include <string>

#include "router/text_norm.h"

namespace kedge::router {
namespace {

std::string utf8(uint32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  return {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
          static_cast<char>(0x80 | (c & 63))};
}

// Every character of two or three bytes at both ends of a sentence; surrogates are none.
TEST(Sentences, KeepWholeCharacters) {
  for (uint32_t c = 0x80; c < 0xFFFE; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8(c) + "a. B" + utf8(c) + "\n" + utf8(c);
    const auto found = sentences(text);
    ASSERT_FALSE(found.empty()) << c;
    for (const ByteRange& r : found) {
      const auto middle = [&](size_t at) {
        return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
      };
      ASSERT_FALSE(middle(r.begin) || middle(r.end)) << std::hex << c << ": cut inside of a character";
    }
  }
  const std::string question = "王者";  // ends in the byte 0x85
  ASSERT_EQ(sentences(question).size(), 1u);
  EXPECT_EQ(sentences(question)[0].end, question.size());
}

}  // namespace
}  // namespace kedge::router
