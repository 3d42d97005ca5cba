// Text as the words that names are made of, so that one name in two spellings is the same words: without case and form
// of the letters (Unicode NFKD, case folded), one sign for hyphens, dashes, underscores and spaces, no plural or
// possessive s, "§", "Sec." and "Section" the same word. Names as they are marked and text that may use them go through
// this one scanner.
//
// Text arrives byte by byte; any cut gives the same words. What the last n words are called is a hash that does not
// depend on where letters and digits were parted: "DOC-83FA21", "doc 83fa21" and "DOC83FA21" are one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/base/rooms.h"

namespace kedge::memory {

class NameScanner {
 public:
  static constexpr int kWords = 24;          // that are remembered: names have no more
  static constexpr size_t kMostChars = 255;  // of a name, normalised
  static constexpr size_t kMostWord = 64;    // bytes of a word; a longer one is part of no name

  struct Word {
    uint64_t folded = 0;  // hash of the words before it, as they are compared
    uint64_t exact = 0;   // hash of the bytes before it
    uint64_t begin = 0;   // its first byte in the stream
    uint32_t chars = 0;   // compared ones of the words before it
    uint8_t before = 0;   // the byte before it; 0: the stream begins
    uint8_t tight = 0;    // nothing but `before` stands between it and another word
    uint16_t spare = 0;
    bool operator==(const Word&) const = default;
  };
  // Plain data without padding: a snapshot may store its bytes.
  struct State {
    std::array<Word, kWords> words{};  // a ring
    uint64_t n_words = 0;              // since the stream began
    uint64_t folded = 0;               // of all finished words
    uint64_t exact = 0;                // of all bytes
    uint64_t offset = 0;               // bytes seen
    uint64_t char_begin = 0;           // of the current character
    uint64_t char_exact = 0;
    uint64_t end = 0;  // behind the newest finished word
    uint64_t exact_end = 0;
    uint64_t open_begin = 0;  // the word that is not finished
    uint64_t open_exact = 0;
    uint64_t open_end = 0;
    uint64_t open_exact_end = 0;
    uint64_t cut_end = 0;  // where it ends without its "'s"
    uint64_t cut_exact_end = 0;
    uint64_t hex_begin = 0;
    std::array<char, kMostWord> open{};  // its first bytes, folded
    std::array<char, kMostWord> hex{};   // hexadecimal words joined by hyphens
    uint32_t chars = 0;                  // of all finished words
    uint32_t open_len = 0;               // 0: between words
    uint32_t cut_len = 0;                // of it, before an apostrophe
    uint32_t code = 0;                   // a character of which bytes are still to come
    uint32_t n_hex = 0;
    uint16_t tail = 0;        // the last two compared characters of the finished words
    uint8_t code_left = 0;    // bytes of the character
    uint8_t open_flags = 0;   // what the open word is made of
    uint8_t segment = 0;      // its letters since the last dot
    uint8_t pending = 0;      // a sign behind the open word that may yet belong to it
    uint8_t gap = 0;          // signs since the word before, at most 3
    uint8_t gap_last = 0;     // the last of them
    uint8_t gap_quote = 0;    // one of them is a quotation mark
    uint8_t in_brackets = 0;  // behind "[", among numbers
    uint8_t next = 0;         // the sign behind the newest word that may join it to what follows; 0: none
    uint8_t goes_on = 0;      // the letter or digit that follows that sign at once; 0: none
    uint8_t key = 0;          // the newest word is a key: "word": or word=
    uint8_t hex_done = 0;     // hex is complete
    uint8_t host = 0;         // the newest word ends a host's name or an address: a port may follow
    std::array<uint8_t, 5> spare{};
    bool operator==(const State&) const = default;
  };
  static_assert(std::has_unique_object_representations_v<State>);

  NameScanner() = default;
  explicit NameScanner(const State& state) : s_(state) {}
  static bool is_valid(const State& state) { return state.n_hex <= kMostWord && state.code_left <= 3; }

  // Calls sink(const NameScanner&) whenever a word is finished: the accessors below are about it and those before it.
  template <class Sink>
  void push(std::string_view bytes, Sink&& sink) {
    const auto call = [&sink](const NameScanner& scanner) { sink(scanner); };
    const Emit emit{
        &call, [](const void* to, const NameScanner& scanner) { (*static_cast<const decltype(call)*>(to))(scanner); }};
    for (const char c : bytes) step(static_cast<uint8_t>(c), emit);
  }

  // What follows has nothing to do with what was before; offsets go on.
  void forget() {
    const uint64_t offset = s_.offset;
    s_ = State{};
    s_.offset = s_.char_begin = offset;
  }

  size_t offset() const { return s_.offset; }
  const State& state() const { return s_; }

  int words() const { return static_cast<int>(s_.n_words < kWords ? s_.n_words : kWords); }
  // Of the last n words, 1 <= n <= words():
  size_t begin(int n) const { return word(n).begin; }
  size_t end() const { return s_.end; }
  size_t chars(int n) const { return s_.chars - word(n).chars; }  // compared ones
  uint64_t folded(int n) const;                                   // when chars(n) <= kMostChars
  uint64_t exact(int n) const;                                    // of the bytes, when there are at most kMostChars
  uint8_t joined_by(int n) const { return word(n).tight != 0 ? word(n).before : uint8_t{0}; }  // to a word before them
  uint8_t before(int n) const { return word(n).before; }
  uint16_t tail() const { return s_.tail; }
  uint8_t next() const { return s_.next; }
  uint8_t goes_on() const { return s_.goes_on; }
  bool is_key() const { return s_.key != 0; }
  // A hexadecimal number of seven digits or more, hyphens left out, that ended with the newest word or before it.
  std::string_view hex() const { return {s_.hex.data(), s_.hex_done != 0 ? s_.n_hex : size_t{0}}; }
  size_t hex_begin() const { return s_.hex_begin; }

 private:
  struct Emit {
    const void* to;
    void (*call)(const void* to, const NameScanner& scanner);
  };
  const Word& word(int n) const { return s_.words[(s_.n_words - static_cast<uint64_t>(n)) % kWords]; }
  void step(uint8_t byte, const Emit& emit);
  void character(uint32_t code, const Emit& emit);
  void take(uint32_t code, const Emit& emit);
  void letter(std::string_view bytes, uint8_t flags, uint8_t written, const Emit& emit);
  void extend(std::string_view bytes);
  void sign(uint8_t c, const Emit& emit);
  void note_gap(uint8_t c);
  bool joins(uint8_t flags);
  void finish(uint8_t next, uint8_t goes_on, bool key, const Emit& emit);
  void note_hex(std::string_view word, uint8_t next, uint8_t goes_on);
  void add_word(std::string_view text, size_t begin, uint64_t exact, bool symbol);

  State s_;
};

// The hash of at most kMostChars bytes as NameScanner::exact() gives it.
uint64_t exact_hash(std::string_view bytes);

}  // namespace kedge::memory
