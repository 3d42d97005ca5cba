#include "memory/anchors/terms.h"

#include <algorithm>
#include <array>

#include "memory/anchors/bytes.h"
#include "memory/anchors/common_words.h"

namespace kedge::memory {
namespace {

using anchors::is_alnum;
using anchors::is_digit;
using anchors::is_high;
using anchors::is_lower;
using anchors::is_upper;
using anchors::is_word;
using anchors::kCommonWords;
using anchors::to_lower;

enum Flag : uint32_t {
  kFirstUpper = 1,        // begins with a capital
  kUpper = 2,             // has one
  kLower = 4,             // has a small letter
  kHigh = 8,              // has letters beyond ASCII
  kInnerUnderscore = 16,  // snake_case
  kCaseChange = 32,       // camelCase
  kHyphen = 64,
  kTicked = 128,  // a back-tick stands before it
  kSecondUpper = 256,
};

// FNV-1a, 64 bits.
constexpr uint64_t kHashStart = 0xcbf29ce484222325U;
constexpr uint64_t hash_step(uint64_t hash, uint8_t c) { return (hash ^ c) * 0x100000001b3U; }

constexpr size_t count_words(std::string_view s) {
  return static_cast<size_t>(std::count(s.begin(), s.end(), ' ')) + 1;
}

// The common words by hash, sorted: a stream keeps the hash of its word, not the word.
constexpr auto kCommonHashes = [] {
  std::array<uint64_t, count_words(kCommonWords)> hashes{};
  size_t n = 0;
  uint64_t hash = kHashStart;
  for (const char c : kCommonWords) {
    if (c != ' ') {
      hash = hash_step(hash, static_cast<uint8_t>(c));
      continue;
    }
    hashes[n++] = hash;
    hash = kHashStart;
  }
  hashes[n] = hash;
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}();

bool is_common(uint64_t folded) { return std::binary_search(kCommonHashes.begin(), kCommonHashes.end(), folded); }

// A character of two bytes that begins a name: capitals of Latin, Greek and Cyrillic letters.
bool is_upper_code(uint32_t code) {
  if (code >= 0xC0 && code <= 0xDE) return code != 0xD7;
  if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E)) return (code & 1U) == 1;
  if (code >= 0x100 && code <= 0x178) return (code & 1U) == 0;
  return (code >= 0x386 && code <= 0x3AB) || (code >= 0x400 && code <= 0x42F);
}

// Continuation bytes behind a lead byte whose characters separate words: punctuation, symbols, and the scripts that set
// no spaces, so that a name in Latin letters stands alone between them. 0: a letter.
uint8_t separator_tail(uint8_t c) {
  if (c == 0xC2) return 1;
  if (c >= 0xE2 && c <= 0xEF) return 2;
  return c >= 0xF0 ? 3 : 0;
}

// Reads a statement byte by byte.
class TermScanner {
 public:
  // Calls sink(const Term&) for every term that the bytes end.
  template <typename Sink>
  void push(std::string_view bytes, Sink&& sink) {
    Term term{};
    for (const char c : bytes) {
      if (step(static_cast<uint8_t>(c), &term)) sink(static_cast<const Term&>(term));
    }
  }
  // The text ends: the word that is open is complete.
  template <typename Sink>
  void finish(Sink&& sink) {
    Term term{};
    if (end_word(0, &term)) sink(static_cast<const Term&>(term));
  }

 private:
  struct State {
    uint64_t offset = 0;     // bytes seen
    uint64_t begin = 0;      // of the current word
    uint64_t exact = 0;      // its hash so far
    uint64_t folded = 0;     // its hash in small letters
    uint32_t length = 0;     // its bytes; 0 outside of a word
    uint32_t digits = 0;     // of them
    uint32_t flags = 0;      // what it is made of
    uint8_t skip = 0;        // continuation bytes of a separator still to come
    uint8_t first_lead = 0;  // the first byte of its first character, when that has two
    uint8_t previous = 0;    // the last byte
    uint8_t hyphen = 0;      // the last byte was a hyphen that may yet belong to it
  };

  bool step(uint8_t c, Term* term);
  void extend(uint8_t c);
  bool end_word(uint8_t next, Term* term);
  bool is_distinctive(uint8_t next, bool* exact) const;

  State s_;
};

void TermScanner::extend(uint8_t c) {
  const char b = static_cast<char>(c);
  const bool first = s_.length == 0;
  if (first) {
    s_.begin = s_.offset;
    s_.exact = s_.folded = kHashStart;
    s_.digits = 0;
    s_.flags = s_.previous == '`' ? uint32_t{kTicked} : 0U;
    s_.first_lead = c >= 0xC3 && c <= 0xDF ? c : 0;
    if (is_upper(b)) s_.flags |= kFirstUpper;
  } else if (s_.length == 1 && s_.first_lead != 0) {
    if (is_upper_code((s_.first_lead & 0x1FU) << 6 | (c & 0x3FU))) s_.flags |= kFirstUpper;
  }
  const bool was_letter = is_alnum(static_cast<char>(s_.previous));
  if (is_alnum(b) && !first && s_.previous == '_' && (s_.digits > 0 || (s_.flags & (kUpper | kLower)) != 0)) {
    s_.flags |= kInnerUnderscore;
  }
  if (is_upper(b)) {
    const bool has_upper = (s_.flags & kUpper) != 0;
    if (!first && was_letter && is_lower(static_cast<char>(s_.previous))) s_.flags |= kCaseChange;
    s_.flags |= has_upper ? kSecondUpper : kUpper;
  }
  if (is_lower(b)) s_.flags |= kLower;
  if (is_high(b)) s_.flags |= kHigh;
  if (c == '-') s_.flags |= kHyphen;
  if (is_digit(b)) ++s_.digits;
  ++s_.length;
  s_.exact = hash_step(s_.exact, c);
  s_.folded = hash_step(s_.folded, static_cast<uint8_t>(to_lower(b)));
}

bool TermScanner::is_distinctive(uint8_t next, bool* exact) const {
  const auto has = [this](uint32_t flag) { return (s_.flags & flag) != 0; };
  const uint32_t n = s_.length;
  *exact = false;
  if (n < 3 || !has(kUpper | kLower | kHigh)) return false;
  if (has(kInnerUnderscore) && n >= 4) return *exact = true;
  if (s_.digits > 0) {
    // DOC-569B, E213, d7d59aace167; not 2nd, 1990s, cm3, A-7.
    if (has(kHyphen) || has(kFirstUpper)) return n >= 4;
    return n >= 6 && (s_.digits >= 2 || has(kTicked));
  }
  if (has(kCaseChange) && n >= 5) return *exact = true;  // not kPa, MHz
  const bool mixed = has(kSecondUpper) && has(kLower);   // MHz, URLs
  if (has(kFirstUpper) && !has(kCaseChange) && (!mixed || n >= 5) && !is_common(s_.folded)) return true;
  // A plain word of code: `clamp`, clamp(x).
  if (has(kHigh) || has(kHyphen)) return false;
  *exact = !has(kFirstUpper);
  return has(kTicked) || (next == '(' && !is_common(s_.folded));
}

bool TermScanner::end_word(uint8_t next, Term* term) {
  if (s_.length == 0) return false;
  bool exact = false;
  const bool distinctive = is_distinctive(next, &exact);
  if (distinctive) *term = {exact ? s_.exact : s_.folded, s_.begin, s_.begin + s_.length};
  s_.length = 0;
  s_.hyphen = 0;
  return distinctive;
}

bool TermScanner::step(uint8_t c, Term* term) {
  bool found = false;
  const char b = static_cast<char>(c);
  if (s_.skip > 0 && (c & 0xC0U) == 0x80U) {
    --s_.skip;
  } else {
    s_.skip = separator_tail(c);
    if (c == '-' && s_.length > 0 && s_.hyphen == 0) {
      s_.hyphen = 1;
    } else if (is_word(b) && s_.skip == 0) {
      if (s_.hyphen != 0) {
        s_.hyphen = 0;
        extend('-');
      }
      extend(c);
    } else {
      found = end_word(c, term);
    }
  }
  s_.previous = c;
  ++s_.offset;
  return found;
}

}  // namespace

void distinctive_terms(std::string_view statement, std::vector<Term>* terms) {
  const size_t first = terms->size();
  const auto add = [&](const Term& term) {
    const auto begin = terms->begin() + static_cast<std::ptrdiff_t>(first);
    if (std::none_of(begin, terms->end(), [&](const Term& t) { return t.hash == term.hash; })) {
      terms->push_back(term);
    }
  };
  TermScanner scanner;
  scanner.push(statement, add);
  scanner.finish(add);
}

}  // namespace kedge::memory
