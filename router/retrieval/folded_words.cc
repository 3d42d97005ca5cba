#include "router/retrieval/folded_words.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

namespace kedge::router::retrieval {

namespace {

constexpr size_t kMaxChain = 6;  // words of a chain that are also one

int32_t code_point(std::string_view text, size_t i, size_t* length) {
  utf8proc_int32_t c = -1;
  const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                                  static_cast<utf8proc_ssize_t>(text.size() - i), &c);
  *length = n > 0 ? static_cast<size_t>(n) : 1;
  return n > 0 ? c : 0xfffd;
}

std::string mapped(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const auto n =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &out, static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE));
  if (n == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(out, &std::free);
  return n < 0 ? std::string(text) : std::string(reinterpret_cast<const char*>(out), static_cast<size_t>(n));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What NFKC would run together with the digits before it gets a space.
std::string with_superscripts_apart(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t i = 0, length = 0; i < text.size(); i += length) {
    const int32_t c = code_point(text, i, &length);
    const int type = c < 0x80 ? 0 : utf8proc_get_property(c)->decomp_type;
    const bool after_digit = !out.empty() && is_digit(out.back());
    const bool apart = type == UTF8PROC_DECOMP_TYPE_SUPER || type == UTF8PROC_DECOMP_TYPE_FRACTION ||
                       type == UTF8PROC_DECOMP_TYPE_CIRCLE || (type == UTF8PROC_DECOMP_TYPE_SUB && after_digit);
    size_t before = 0;
    const bool goes_on = i > 0 && apart && [&] {  // 10²³ is 10 and 23
      before = i - 1;
      while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xc0) == 0x80) --before;
      size_t ignored = 0;
      return utf8proc_get_property(code_point(text, before, &ignored))->decomp_type == type;
    }();
    if (apart && !goes_on) out += ' ';
    out += text.substr(i, length);
  }
  return out;
}

std::string folded(std::string_view text) {
  if (is_ascii(text)) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return out;
  }
  return mapped(with_superscripts_apart(text),
                UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
}

bool is_word_character(int32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const int category = utf8proc_category(c);  // letters, marks and numbers come first
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

// Of scripts that do not put spaces between words, and Korean, which hangs its endings on them.
bool is_unspaced(int32_t c) {
  static constexpr int32_t kRanges[][2] = {{0x0e00, 0x0eff}, {0x1000, 0x109f},  {0x1780, 0x17ff}, {0x3005, 0x3007},
                                           {0x3040, 0x30ff}, {0x31f0, 0x31ff},  {0x3400, 0x9fff}, {0xac00, 0xd7af},
                                           {0xf900, 0xfaff}, {0x20000, 0x3ffff}};
  return c >= 0x0e00 &&
         std::any_of(std::begin(kRanges), std::end(kRanges), [c](const auto& r) { return c >= r[0] && c <= r[1]; });
}

struct Placed {
  size_t begin = 0;
  size_t end = 0;
  bool digits = true;  // nothing else
  bool letters = true;
};

// What ties two words to one: 'h' a hyphen, 'g' the mark between groups of digits, 0 nothing.
char tie(std::string_view text, const Placed& a, const Placed& b) {
  const std::string_view gap = text.substr(a.end, b.begin - a.end);
  if (gap == "-" || gap == "\xe2\x80\x90") return 'h';
  const bool mark = gap == "," || gap == "." || gap == "'" || gap == "\xe2\x80\x99";
  return mark && a.digits && b.digits && a.end - a.begin <= 3 && b.end - b.begin == 3 ? 'g' : '\0';
}

// Adds the chains of the words in [first, words.size()) as words of their own.
void add_chains(std::string_view text, const std::vector<Placed>& words, std::vector<FoldedWord>* out) {
  for (size_t first = 0; first + 1 < words.size();) {
    const char kind = tie(text, words[first], words[first + 1]);
    size_t last = first + 1;
    while (kind != 0 && last + 1 < words.size() && tie(text, words[last], words[last + 1]) == kind) ++last;
    if (kind != 0 && last - first < kMaxChain) {
      FoldedWord whole{"", FoldedWord::Kind::kJoined};
      for (size_t i = first; i <= last; ++i) whole.text += text.substr(words[i].begin, words[i].end - words[i].begin);
      out->push_back(std::move(whole));
    }
    first = last;
  }
}

void add_pairs(std::string_view text, const std::vector<size_t>& starts, std::vector<FoldedWord>* out) {
  const size_t n = starts.size() - 1;  // the last is the end of the run
  for (size_t i = 0; i < n; ++i) {
    const std::string_view one = text.substr(starts[i], starts[i + 1] - starts[i]);
    out->push_back({std::string(one), n == 1 ? FoldedWord::Kind::kPair : FoldedWord::Kind::kCharacter});
    if (i + 1 < n) {
      out->push_back({std::string(text.substr(starts[i], starts[i + 2] - starts[i])), FoldedWord::Kind::kPair});
    }
  }
}

}  // namespace

std::vector<FoldedWord> folded_words(std::string_view source) {
  const std::string text = folded(source);
  std::vector<FoldedWord> out;
  std::vector<Placed> words;
  for (size_t i = 0, length = 0; i < text.size();) {
    int32_t c = code_point(text, i, &length);
    if (!is_word_character(c)) {
      i += length;
      continue;
    }
    const bool unspaced = is_unspaced(c);
    Placed word{i, i, true, true};
    std::vector<size_t> starts;
    do {
      if (unspaced) starts.push_back(i);
      word.digits = word.digits && c < 0x80 && is_digit(static_cast<char>(c));
      word.letters =
          word.letters && !(c < 0x80 ? is_digit(static_cast<char>(c)) : utf8proc_category(c) >= UTF8PROC_CATEGORY_ND);
      i += length;
      if (i >= text.size()) break;
      c = code_point(text, i, &length);
    } while (is_word_character(c) && is_unspaced(c) == unspaced);
    word.end = i;
    if (unspaced) {
      starts.push_back(i);
      add_pairs(text, starts, &out);
      continue;
    }
    words.push_back(word);
    out.push_back({text.substr(word.begin, word.end - word.begin),
                   word.letters ? FoldedWord::Kind::kLetters : FoldedWord::Kind::kMixed});
  }
  add_chains(text, words, &out);
  return out;
}

std::string without_accents(std::string_view word) {
  if (is_ascii(word)) return std::string(word);
  const std::string apart = mapped(word, UTF8PROC_DECOMPOSE);
  std::string kept;
  for (size_t i = 0, length = 0; i < apart.size(); i += length) {
    const int32_t c = code_point(apart, i, &length);
    if (c < 0x0300 || c > 0x036f) kept += apart.substr(i, length);
  }
  return mapped(kept, UTF8PROC_COMPOSE);
}

}  // namespace kedge::router::retrieval
