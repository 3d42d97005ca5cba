#include "memory/anchors/name_scanner.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "memory/anchors/bytes.h"

namespace kedge::memory {
namespace {

using anchors::is_alpha;
using anchors::is_digit;
using anchors::is_hex;
using anchors::is_lower;
using anchors::to_lower;

enum OpenFlag : uint8_t {
  kDigit = 1,
  kLetter = 2,
  kWide = 4,  // of a script that sets no spaces: a word by itself
  kDotted = 8,
};

// Polynomial hashes, mod 2^64: that of a part follows from those of what ends before it and with it.
constexpr uint64_t kBase = 0x9E3779B97F4A7C15u;
constexpr uint64_t hash_step(uint64_t hash, uint8_t c) { return hash * kBase + c + 1; }
constexpr auto kPowers = [] {
  std::array<uint64_t, NameScanner::kMostChars + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * kBase;
  return powers;
}();

// Words of one meaning, and those that names may have or not. Sorted.
struct Alias {
  std::string_view word, same;
};
constexpr Alias kAliases[] = {{"abb", "figure"},
                              {"abbildung", "figure"},
                              {"abs", "absatz"},
                              {"abschnitt", "\xc2\xa7"},
                              {"accounts", "account"},
                              {"al", ""},
                              {"and", ""},
                              {"appendices", "appendix"},
                              {"art", "article"},
                              {"articles", "article"},
                              {"artikel", "article"},
                              {"cases", "case"},
                              {"ch", "chapter"},
                              {"chap", "chapter"},
                              {"chapters", "chapter"},
                              {"clauses", "clause"},
                              {"eq", "equation"},
                              {"eqn", "equation"},
                              {"eqs", "equation"},
                              {"equations", "equation"},
                              {"errors", "error"},
                              {"et", ""},
                              {"exhibits", "exhibit"},
                              {"fig", "figure"},
                              {"figs", "figure"},
                              {"figures", "figure"},
                              {"flights", "flight"},
                              {"gates", "gate"},
                              {"invoices", "invoice"},
                              {"issues", "issue"},
                              {"items", "item"},
                              {"kap", "chapter"},
                              {"kapitel", "chapter"},
                              {"lemmas", "lemma"},
                              {"lines", "line"},
                              {"no", "#"},
                              {"nos", "#"},
                              {"nr", "#"},
                              {"nrs", "#"},
                              {"number", "#"},
                              {"numbers", "#"},
                              {"nummer", "#"},
                              {"orders", "order"},
                              {"p", "page"},
                              {"pages", "page"},
                              {"par", "paragraph"},
                              {"para", "paragraph"},
                              {"paragraf", "\xc2\xa7"},
                              {"paragraphs", "paragraph"},
                              {"paras", "paragraph"},
                              {"ports", "port"},
                              {"pp", "page"},
                              {"ref", "["},
                              {"reference", "["},
                              {"references", "["},
                              {"refs", "["},
                              {"rooms", "room"},
                              {"rules", "rule"},
                              {"sec", "\xc2\xa7"},
                              {"secs", "\xc2\xa7"},
                              {"sect", "\xc2\xa7"},
                              {"section", "\xc2\xa7"},
                              {"sections", "\xc2\xa7"},
                              {"tab", "table"},
                              {"tabelle", "table"},
                              {"tables", "table"},
                              {"theorems", "theorem"},
                              {"tickets", "ticket"},
                              {"und", ""},
                              {"v", "version"},
                              {"ver", "version"},
                              {"versions", "version"},
                              {"www", ""}};
static_assert(std::is_sorted(std::begin(kAliases), std::end(kAliases),
                             [](const Alias& a, const Alias& b) { return a.word < b.word; }));

const Alias* alias_of(std::string_view word) {
  const auto* const at = std::lower_bound(std::begin(kAliases), std::end(kAliases), word,
                                          [](const Alias& a, std::string_view w) { return a.word < w; });
  return at != std::end(kAliases) && at->word == word ? at : nullptr;
}

bool is_symbol_word(std::string_view word) { return word == "\xc2\xa7" || word == "#" || word == "[" || word == "-"; }

// The word as it is compared: without plural after digits, and "fig3" as "figure3".
std::string compared(std::string_view word) {
  if (word.size() >= 2 && word.back() == 's' && is_digit(word[word.size() - 2])) word.remove_suffix(1);
  size_t letters = 0;
  while (letters < word.size() && is_alpha(word[letters])) ++letters;
  const std::string_view rest = word.substr(letters);
  if (!std::all_of(rest.begin(), rest.end(), is_digit)) return std::string(word);
  const Alias* alias = alias_of(word.substr(0, letters));
  return alias == nullptr ? std::string(word) : std::string(alias->same) + std::string(rest);
}

// What may stand within a name, or tell how the word before it is used.
bool may_join(uint8_t c) {
  return std::string_view("-_./:@+=&?%~\\('\"").find(static_cast<char>(c)) != std::string_view::npos;
}

// Scripts without spaces, or whose particles follow a name at once.
bool is_wide(uint32_t code) {
  return (code >= 0x2E80 && code < 0xA4D0) || (code >= 0x1100 && code < 0x1200) || (code >= 0x0E00 && code < 0x0F00) ||
         (code >= 0x1780 && code < 0x1800) || (code >= 0xAC00 && code < 0xD7B0) || (code >= 0xF900 && code < 0xFB00) ||
         (code >= 0x20000 && code < 0x40000);
}

}  // namespace

uint64_t exact_hash(std::string_view bytes) {
  uint64_t hash = 0;
  for (const char c : bytes) hash = hash_step(hash, static_cast<uint8_t>(c));
  return hash;
}

uint64_t NameScanner::folded(int n) const { return s_.folded - word(n).folded * kPowers[chars(n)]; }

uint64_t NameScanner::exact(int n) const { return s_.exact_end - word(n).exact * kPowers[s_.end - word(n).begin]; }

void NameScanner::step(uint8_t byte, const Emit& emit) {
  const bool more = (byte & 0xC0U) == 0x80U;
  if (s_.code_left > 0 && !more) {  // a character that was cut short
    s_.code_left = 0;
    take(' ', emit);
  }
  if (s_.code_left == 0) {
    s_.char_begin = s_.offset;
    s_.char_exact = s_.exact;
  }
  s_.exact = hash_step(s_.exact, byte);
  ++s_.offset;
  if (byte < 0x80) return take(byte, emit);
  if (s_.code_left > 0) {
    s_.code = s_.code << 6 | (byte & 0x3FU);
    if (--s_.code_left == 0) character(s_.code, emit);
    return;
  }
  if (more || byte < 0xC2 || byte > 0xF4) return take(' ', emit);
  s_.code_left = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  s_.code = byte & (0x3FU >> s_.code_left);
}

// A character beyond ASCII as those it stands for.
void NameScanner::character(uint32_t code, const Emit& emit) {
  if (code == 0x2019 || code == 0x02BC) return take('\'', emit);
  if (code == 0x2212) return take('-', emit);
  constexpr int kMostParts = 32;
  std::array<utf8proc_int32_t, kMostParts> parts{};
  int last_class = 0;
  const auto n = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(code), parts.data(), kMostParts,
      static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE),
      &last_class);
  if (n < 0 || n > kMostParts) return take(' ', emit);  // no character
  for (utf8proc_ssize_t i = 0; i < n; ++i) take(static_cast<uint32_t>(parts[static_cast<size_t>(i)]), emit);
}

void NameScanner::take(uint32_t code, const Emit& emit) {
  if (code < 0x80) {
    const char c = to_lower(static_cast<char>(code));
    if (is_alpha(c)) return letter({&c, 1}, kLetter, static_cast<uint8_t>(code), emit);
    if (is_digit(c)) return letter({&c, 1}, kDigit, static_cast<uint8_t>(code), emit);
    return sign(static_cast<uint8_t>(code), emit);
  }
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes.data());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(n));
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return letter(text, is_wide(code) ? kLetter | kWide : kLetter, bytes[0], emit);
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      // Accents (U+0300 to U+036F) are often left out; the marks of other scripts are letters.
      if (s_.open_len > 0 && s_.pending == 0 && code >= 0x370) extend(text);
      return;
    case UTF8PROC_CATEGORY_ND:
      return letter(text, kDigit, bytes[0], emit);
    case UTF8PROC_CATEGORY_PD:
      return sign('-', emit);
    case UTF8PROC_CATEGORY_PC:
      return sign('_', emit);
    default:
      sign(0x80, emit);
      if (code == 0xA7) add_word(text, s_.char_begin, s_.char_exact, true);
      if (code == 0xB6) add_word("paragraph", s_.char_begin, s_.char_exact, true);
      return;
  }
}

// Whether the sign behind the open word belongs to it when a letter or digit follows: O'Brien, U.S.
bool NameScanner::joins(uint8_t flags) {
  if (s_.pending == '\'' && flags == kLetter) {
    // An article before its noun (l'article) is a word, O' and it's are parts of one.
    if (s_.open_len == 1 && std::string_view("cdjlmnst").find(s_.open[0]) != std::string_view::npos) return false;
    s_.cut_len = s_.open_len;
    s_.cut_end = s_.open_end;
    s_.cut_exact_end = s_.open_exact_end;
    return true;
  }
  const bool single =
      s_.open_flags == kLetter ? s_.open_len == 1 : s_.open_flags == (kLetter | kDotted) && s_.segment == 1;
  if (s_.pending != '.' || flags != kLetter || !single) return false;
  s_.open_flags |= kDotted;
  s_.segment = 0;
  return true;
}

// `written`: the first byte as it was, a capital say.
void NameScanner::letter(std::string_view bytes, uint8_t flags, uint8_t written, const Emit& emit) {
  if (s_.open_len > 0 && s_.pending != 0) {
    const uint8_t pending = s_.pending;
    if (joins(flags)) {
      s_.pending = 0;
    } else {
      finish(pending, (flags & kWide) != 0 ? uint8_t{0} : written, pending == '=', emit);
      note_gap(pending);
    }
  }
  if (s_.open_len > 0 && ((flags | s_.open_flags) & kWide) != 0) finish(0, 0, false, emit);
  if (s_.open_len == 0) {
    s_.open_begin = s_.char_begin;
    s_.open_exact = s_.char_exact;
    s_.open_flags = 0;
    s_.segment = 0;
    s_.cut_len = 0;
  }
  s_.open_flags |= flags;
  s_.segment = static_cast<uint8_t>(std::min(s_.segment + 1, 2));
  extend(bytes);
}

void NameScanner::extend(std::string_view bytes) {
  for (const char c : bytes) {
    if (s_.open_len < kMostWord) s_.open[s_.open_len] = c;
    ++s_.open_len;
  }
  s_.open_end = s_.offset;
  s_.open_exact_end = s_.exact;
}

void NameScanner::note_gap(uint8_t c) {
  s_.gap = static_cast<uint8_t>(std::min(s_.gap + 1, 3));
  s_.gap_last = c;
  if (c == '"' || c == '\'') s_.gap_quote = 1;
}

void NameScanner::sign(uint8_t c, const Emit& emit) {
  const bool opens = c == '[' && (s_.open_len == 0 || s_.pending != 0) && s_.gap_last != ')' && s_.gap_last != ']';
  if (s_.open_len > 0) {
    if (s_.pending == 0 && may_join(c)) {
      s_.pending = c;
      return;
    }
    if (const uint8_t pending = s_.pending; pending != 0) {
      const bool quoted = pending == '"' || pending == '\'';
      finish(pending, 0, (quoted && c == ':') || (pending == '=' && c != '=' && c != ' '), emit);
      note_gap(pending);
    } else {
      finish(c == '#' ? '#' : 0, c == '#' ? '#' : 0, false, emit);
    }
  }
  if (c == '[') {
    s_.in_brackets = opens ? 1 : 0;
  } else if (c != ',' && c != '-' && c != ' ' && c != ';') {
    s_.in_brackets = 0;
  }
  note_gap(c);
  if (c == '#') add_word("#", s_.char_begin, s_.char_exact, true);
}

// Appends it to the finished words: what stands before it is said by the gap.
void NameScanner::add_word(std::string_view text, size_t begin, uint64_t exact, bool symbol) {
  if (text.empty()) return;
  const auto add = [this](uint8_t c) {
    s_.folded = hash_step(s_.folded, c);
    s_.tail = static_cast<uint16_t>(s_.tail << 8 | c);
    ++s_.chars;
  };
  // Numbers beside each other are others than one number, and so are words.
  if (is_digit(static_cast<char>(s_.tail & 0xFFU)) == is_digit(text[0])) add('|');
  Word& w = s_.words[s_.n_words % kWords];
  w = {.folded = s_.folded, .exact = exact, .begin = begin, .chars = s_.chars, .before = s_.gap_last};
  w.tight = s_.gap == 1 && s_.n_words > 0 && !symbol && !is_symbol_word(text) ? 1 : 0;
  for (const char c : text) add(static_cast<uint8_t>(c));
  ++s_.n_words;
}

void NameScanner::note_hex(std::string_view word, uint8_t next, uint8_t goes_on) {
  if (s_.hex_done != 0) s_.n_hex = 0;
  s_.hex_done = 0;
  const bool joined = s_.n_hex > 0 && s_.gap == 1 && s_.gap_last == '-';
  if (!joined) s_.n_hex = 0;
  if (word.substr(0, 2) == "0x") word.remove_prefix(2);
  const bool is_number = !word.empty() && std::all_of(word.begin(), word.end(), is_hex);
  if (is_number) {
    if (!joined) s_.hex_begin = s_.open_begin;
    const size_t n = std::min(word.size(), kMostWord - s_.n_hex);
    std::memcpy(s_.hex.data() + s_.n_hex, word.data(), n);
    s_.n_hex += static_cast<uint32_t>(n);
    if (next == '-' && is_hex(static_cast<char>(goes_on))) return;
  }
  const std::string_view all(s_.hex.data(), s_.n_hex);
  if (all.size() >= 7 && std::any_of(all.begin(), all.end(), is_digit)) {
    s_.hex_done = 1;
  } else if (!is_number) {
    s_.n_hex = 0;
  }
}

void NameScanner::finish(uint8_t next, uint8_t goes_on, bool key, const Emit& emit) {
  std::string_view word(s_.open.data(), std::min<size_t>(s_.open_len, kMostWord));
  const bool possessive = s_.cut_len > 0 && s_.open_len == s_.cut_len + 1 && word.back() == 's';
  if (possessive) word = word.substr(0, s_.cut_len);
  s_.end = possessive ? s_.cut_end : s_.open_end;
  s_.exact_end = possessive ? s_.cut_exact_end : s_.open_exact_end;
  s_.next = next;
  s_.goes_on = goes_on;
  s_.key = key ? 1 : 0;
  if (s_.open_len > kMostWord) s_.chars += 2 * kMostChars;  // nothing reaches over it
  note_hex(word, next, goes_on);
  const bool number = s_.open_flags == kDigit;
  if (number && s_.in_brackets != 0 && word.size() < 4) {
    add_word("[", s_.open_begin, s_.open_exact, true);
  } else {
    s_.in_brackets = 0;
  }
  // "localhost:8443", ":8443"; not 12:304, "status":200.
  const bool port = number && word.size() >= 3 && word.size() <= 5 && s_.gap_last == ':' && s_.gap_quote == 0;
  if (port && (s_.gap > 1 || s_.n_words == 0 || s_.host != 0)) add_word("port", s_.open_begin, s_.open_exact, false);
  // "--max-depth": an option's first word.
  const bool tight = s_.gap == 1 && s_.n_words > 0;
  if (s_.gap_last == '-' && !tight && (s_.open_flags & kLetter) != 0) add_word("-", s_.open_begin, s_.open_exact, true);
  s_.host = (tight && s_.gap_last == '.') || word == "localhost" ? 1 : 0;
  if ((s_.open_flags & kWide) != 0) s_.host = 0;
  const std::string same = compared(word);
  add_word(same, s_.open_begin, s_.open_exact, false);
  s_.open_len = 0;
  s_.pending = 0;
  s_.gap = same.empty() ? 2 : 0;  // what is left out joins nothing
  s_.gap_last = 0;
  s_.gap_quote = 0;
  if (!same.empty()) emit.call(emit.to, *this);
}

}  // namespace kedge::memory
