#include "router/retrieval/passages.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/base/utf8.h"

namespace kedge::router::retrieval {

namespace {

// What ends behind a word; the later ones are better places to cut.
enum class Break { kWord, kLine, kSentence, kParagraph };

struct Word {
  size_t begin = 0;
  size_t end = 0;
  Break after = Break::kWord;
};

bool is_space(uint32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == 0xa0 || (c >= 0x2000 && c <= 0x200b) || c == 0x2028 ||
         c == 0x2029 || c == 0x3000;
}

// Of scripts written without spaces: kana and Han.
bool is_ideograph(uint32_t c) {
  return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x3ffff);
}

bool is_sentence_end(uint32_t c) {
  return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xff01 || c == 0xff1f;
}

bool is_closing(uint32_t c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0xbb || c == 0x2019 || c == 0x201d || c == 0x300d ||
         c == 0x300f || c == 0xff09;
}

bool ends_sentence(std::string_view word) {
  uint32_t last = 0;  // before the closing quotes
  size_t before = 0;  // characters before `last`
  for (size_t i = 0, n = 0; i < word.size(); ++n) {
    const size_t length = utf8_char_length(word, i);
    const uint32_t c = utf8_code_point(word, i, length);
    if (!is_closing(c)) {
      last = c;
      before = n;
    }
    i += length;
  }
  const bool initial = last == '.' && before == 1 && word[0] >= 'A' && word[0] <= 'Z';  // "J. Smith"
  return is_sentence_end(last) && !initial;
}

// The words of text[begin, end), with what ends behind each.
std::vector<Word> split_words(std::string_view text, size_t begin, size_t end) {
  std::vector<Word> words;
  size_t newlines = 0;
  const auto finish = [&] {  // the white space behind the last word is known
    if (words.empty()) return;
    Word& w = words.back();
    if (newlines > 1) {
      w.after = Break::kParagraph;
    } else if (ends_sentence(text.substr(w.begin, w.end - w.begin))) {
      w.after = Break::kSentence;
    } else if (newlines == 1) {
      w.after = Break::kLine;
    }
  };
  bool in_word = false;
  for (size_t i = begin; i < end;) {
    const size_t length = utf8_char_length(text, i);
    const uint32_t c = utf8_code_point(text, i, length);
    if (is_space(c)) {
      in_word = false;
      newlines += c == '\n' ? 1 : 0;
    } else if (in_word && !is_ideograph(c)) {
      words.back().end = i + length;
    } else {
      finish();
      newlines = 0;
      words.push_back({i, i + length, Break::kWord});
      in_word = true;  // what follows an ideograph without a space (a full stop) belongs to it
    }
    i += length;
  }
  if (!words.empty()) words.back().after = Break::kParagraph;
  return words;
}

// One past the last word of the passage that begins with word `first`.
size_t passage_end(const std::vector<Word>& words, size_t first, size_t max_words) {
  const size_t limit = std::min(first + max_words, words.size());
  if (limit == words.size()) return limit;
  const size_t least = first + std::max<size_t>(max_words / 4, 1);
  for (const Break wanted : {Break::kParagraph, Break::kSentence, Break::kLine}) {
    for (size_t i = limit; i >= least; --i) {
      if (words[i - 1].after >= wanted) return i;
    }
  }
  return limit;
}

}  // namespace

std::vector<Range> cut_passages(std::string_view text, size_t begin, size_t end, size_t max_words) {
  const std::vector<Word> words = split_words(text, begin, end);
  std::vector<Range> passages;
  for (size_t first = 0; first < words.size();) {
    const size_t last = passage_end(words, first, max_words);
    passages.push_back({words[first].begin, words[last - 1].end});
    first = last;
  }
  return passages;
}

size_t count_words(std::string_view text) { return split_words(text, 0, text.size()).size(); }

}  // namespace kedge::router::retrieval
