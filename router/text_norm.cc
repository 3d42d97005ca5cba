#include "router/text_norm.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "kernels/base/utf8.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;

bool is_space(uint32_t cp) {
  if (cp <= 0x20) return cp == ' ' || (cp >= '\t' && cp <= '\r');
  if (cp == 0x85) return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(cp));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_word(uint32_t cp) {
  if (cp < 0x80) return (cp >= '0' && cp <= '9') || ((cp | 32) >= 'a' && (cp | 32) <= 'z') || cp == '_';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(cp));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The sign of a keyboard for one of print; null: it is not typography. Empty: it is not seen at all.
const char* keyboard_sign(uint32_t cp) {
  switch (cp) {
    case 0x2018:
    case 0x2019:
    case 0x201a:
    case 0x201b:
    case 0x2032:
    case 0x2039:
    case 0x203a:
      return "'";
    case 0x201c:
    case 0x201d:
    case 0x201e:
    case 0x201f:
    case 0x2033:
    case 0xab:
    case 0xbb:
      return "\"";
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2015:
    case 0x2212:
    case 0xfe58:
    case 0xfe63:
    case 0xff0d:
      return "-";
    case 0x2026:
      return "...";
    case 0xfb00:
      return "ff";
    case 0xfb01:
      return "fi";
    case 0xfb02:
      return "fl";
    case 0xfb03:
      return "ffi";
    case 0xfb04:
      return "ffl";
    case 0xfb05:
    case 0xfb06:
      return "st";
    case 0xad:    // soft hyphen
    case 0x200b:  // spaces of no width
    case 0x2060:
    case 0xfeff:
      return "";
    default:
      return nullptr;
  }
}

// Valid text through utf8proc; anything it refuses comes back as it is.
std::string mapped(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const auto n =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &out, static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(out, &std::free);
  if (n < 0) return std::string(text);
  return std::string(reinterpret_cast<const char*>(out), static_cast<size_t>(n));
}

// End of the grapheme cluster at s[i]. Composition never crosses its border, so clusters can be normalised one by one.
size_t cluster_end(std::string_view s, size_t i) {
  const auto ascii = [&](size_t at) { return static_cast<unsigned char>(s[at]) < 0x80; };
  // Most text: of two ASCII characters only a carriage return and a line feed stay together.
  if (ascii(i) && (i + 1 == s.size() || (ascii(i + 1) && s[i] != '\r'))) return i + 1;
  size_t length = utf8_char_length(s, i);
  if (length == 0) return i + 1;
  auto before = static_cast<utf8proc_int32_t>(utf8_code_point(s, i, length));
  utf8proc_int32_t state = 0;
  for (i += length; i < s.size(); i += length) {
    length = utf8_char_length(s, i);
    if (length == 0) break;
    const auto here = static_cast<utf8proc_int32_t>(utf8_code_point(s, i, length));
    if (utf8proc_grapheme_break_stateful(before, here, &state)) break;
    before = here;
  }
  return i;
}

// Code point that ends before s[i]; 0 for none or for bytes that are no UTF-8.
uint32_t code_point_before(std::string_view s, size_t i) {
  size_t at = i;
  while (at > 0 && i - at < 4) {
    --at;
    if ((static_cast<unsigned char>(s[at]) & 0xc0) != 0x80) break;
  }
  const size_t length = at < i ? utf8_char_length(s, at) : 0;
  return length == i - at && length > 0 ? utf8_code_point(s, at, length) : 0;
}

uint32_t code_point_at(std::string_view s, size_t i) {
  const size_t length = i < s.size() ? utf8_char_length(s, i) : 0;
  return length == 0 ? 0 : utf8_code_point(s, i, length);
}

// How many digits stand before text[end], or from text[begin] on.
size_t digits_before(std::string_view text, size_t end) {
  size_t n = 0;
  while (n < end && is_digit(text[end - 1 - n])) ++n;
  return n;
}
size_t digits_from(std::string_view text, size_t begin) {
  size_t n = 0;
  while (begin + n < text.size() && is_digit(text[begin + n])) ++n;
  return n;
}

// Whether a number at the edge of a phrase goes on beyond it: over a separator to more digits, or to a sign.
bool number_goes_on(std::string_view text, size_t begin, size_t end) {
  const auto separator = [](char c) { return c == '.' || c == ','; };
  if (is_digit(text[begin]) && begin >= 2 && separator(text[begin - 1]) && is_digit(text[begin - 2])) return true;
  if (is_digit(text[begin]) && begin >= 1 && text[begin - 1] == '-' && (begin == 1 || text[begin - 2] == ' ')) {
    return true;
  }
  // 1 200: a group of three behind one to three digits.
  const auto group = [&](size_t space) {
    const size_t head = digits_before(text, space);
    const bool sole = head + 1 > space || !separator(text[space - head - 1]);
    return text[space] == ' ' && head >= 1 && head <= 3 && sole && digits_from(text, space + 1) == 3;
  };
  if (is_digit(text[begin]) && begin >= 2 && group(begin - 1)) return true;
  if (is_digit(text[end - 1]) && end + 3 < text.size() && group(end)) return true;
  return is_digit(text[end - 1]) && end + 1 < text.size() && separator(text[end]) && is_digit(text[end + 1]);
}

bool ends_abbreviation(std::string_view before) {
  const size_t space = before.find_last_of(" (\"");
  const std::string_view word = space == npos ? before : before.substr(space + 1);
  if (word.size() == 1 && word[0] >= 'A' && word[0] <= 'Z') return true;  // an initial
  constexpr std::array kKnown = {"Mr", "Mrs", "Ms", "Dr", "St",  "Prof", "Sr",  "Jr",  "vs",
                                 "No", "cf",  "ca", "c",  "Vol", "Fig",  "e.g", "i.e", "al"};
  return std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end();
}

}  // namespace

NormText::NormText(std::string_view source, Typography typography) {
  text_.reserve(source.size());
  bool space = false;
  bool opened = false;  // a guillemet: the blanks inside it belong to it
  size_t space_begin = 0;
  for (size_t i = 0; i < source.size();) {
    const size_t end = cluster_end(source, i);
    const std::string_view cluster = source.substr(i, end - i);
    const uint32_t cp = code_point_at(cluster, 0);
    const bool single = typography == Typography::kFolded && utf8_char_length(cluster, 0) == cluster.size();
    const char* sign = single ? keyboard_sign(cp) : nullptr;
    if (is_space(cp)) {
      if (!space) space_begin = i;
      space = true;
    } else if (sign == nullptr || *sign != '\0') {
      const bool closes = sign != nullptr && (cp == 0xbb || cp == 0x203a);
      if (space && !text_.empty() && !closes && !opened) append(" ", space_begin, i);
      space = false;
      opened = sign != nullptr && (cp == 0xab || cp == 0x2039);
      append(sign != nullptr       ? std::string(sign)
             : cluster.size() == 1 ? std::string(cluster)
                                   : mapped(cluster, UTF8PROC_COMPOSE),
             i, end);
    }
    i = end;
  }
}

void NormText::append(std::string_view normal, size_t begin, size_t end) {
  text_ += normal;
  begin_.resize(text_.size(), static_cast<uint32_t>(begin));
  end_.resize(text_.size(), static_cast<uint32_t>(end));
}

std::string normalized(std::string_view text, Typography typography) { return NormText(text, typography).text(); }

std::string folded(std::string_view text) { return mapped(normalized(text), UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD); }

size_t find_words(std::string_view text, std::string_view phrase, size_t from) {
  if (phrase.empty()) return npos;
  const bool word_first = is_word(code_point_at(phrase, 0));
  const bool word_last = is_word(code_point_before(phrase, phrase.size()));
  for (size_t at = text.find(phrase, from); at != npos; at = text.find(phrase, at + 1)) {
    const size_t end = at + phrase.size();
    if (word_first && is_word(code_point_before(text, at))) continue;
    if (word_last && is_word(code_point_at(text, end))) continue;
    // A phrase that ends in a letter may still go on with a mark: e and a combining circumflex are another letter.
    if (!word_last &&
        utf8proc_category(static_cast<utf8proc_int32_t>(code_point_at(text, end))) == UTF8PROC_CATEGORY_MN) {
      continue;
    }
    if (!number_goes_on(text, at, end)) return at;
  }
  return npos;
}

size_t find_words_any_initial(std::string_view text, std::string_view phrase) {
  const size_t at = find_words(text, phrase);
  if (at != npos || phrase.empty()) return at;
  std::string other(phrase);
  const auto letter = static_cast<unsigned char>(other[0] | 32);
  if (letter < 'a' || letter > 'z') return npos;
  other[0] = static_cast<char>(other[0] ^ 32);
  return find_words(text, other);
}

std::string_view bare_value(std::string_view value) {
  constexpr std::string_view kAround = " \t\r\n\"'`*_";
  const auto trim = [&] {
    const size_t first = value.find_first_not_of(kAround);
    if (first == npos) return value = {}, void();
    value = value.substr(first, value.find_last_not_of(" \t\r\n\"'`*_.,;:!?") + 1 - first);
  };
  if (value.find_last_not_of(" \t\r\n\"'`*_.,;:!?") == npos) return {};
  trim();
  for (std::string_view article : {"a ", "an ", "the ", "A ", "An ", "The "}) {
    if (value.size() > article.size() && value.starts_with(article)) {
      value.remove_prefix(article.size());
      trim();
      break;
    }
  }
  return value;
}

std::vector<ByteRange> sentences(std::string_view text) {
  std::vector<ByteRange> found;
  size_t begin = 0;
  // A byte is a character only where it is ASCII: 0x85 and 0xA0, spaces as code points, end many characters.
  const auto blank = [&](size_t i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    return byte < 0x80 && is_space(byte);
  };
  const auto close = [&](size_t end) {
    size_t first = begin;
    while (first < end && blank(first)) ++first;
    size_t last = end;
    while (last > first && blank(last - 1)) --last;
    if (first < last) found.push_back({first, last});
    begin = end;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') close(i);
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    size_t end = i + 1;
    while (end < text.size() && (text[end] == '"' || text[end] == '\'' || text[end] == ')')) ++end;
    if (end < text.size() && text[end] != ' ') continue;
    if (text[i] == '.' && ends_abbreviation(text.substr(begin, i - begin))) continue;
    const char next = end + 1 < text.size() ? text[end + 1] : ' ';
    if (next >= 'a' && next <= 'z') continue;
    close(end);
  }
  close(text.size());
  return found;
}

bool declines(std::string_view answer) {
  std::string text = folded(answer);
  if (const size_t ref = text.find("<|ref|>"); ref != npos) text.resize(ref);
  const std::string_view value = bare_value(text);
  for (std::string_view whole : {"unknown", "none", "n/a", "no answer", "not found", "not known", "not stated",
                                 "not mentioned", "not available", "unanswerable"}) {
    if (value == whole) return true;
  }
  if (std::count(value.begin(), value.end(), ' ') > 40) return false;
  constexpr std::array kBeginnings = {
      "not found in",      "i don't know",         "i do not know",           "i'm not sure",
      "i am not sure",     "i cannot answer",      "i can't answer",          "i cannot find",
      "i can't find",      "i could not find",     "i couldn't find",         "unable to answer",
      "unable to find",    "not mentioned in",     "not stated in",           "no information",
      "not in the source", "cannot be determined", "insufficient information"};
  for (std::string_view beginning : kBeginnings) {
    if (value.starts_with(beginning)) return true;
  }
  constexpr std::array kAnywhere = {"not found in the source",
                                    "does not say",
                                    "do not say",
                                    "doesn't say",
                                    "don't say",
                                    "does not mention",
                                    "do not mention",
                                    "cannot be determined",
                                    "not enough information",
                                    "answer is not in the source"};
  return std::any_of(kAnywhere.begin(), kAnywhere.end(),
                     [&](std::string_view phrase) { return find_words(value, phrase) != npos; }) &&
         answer.find('[') == npos;
}

}  // namespace kedge::router
