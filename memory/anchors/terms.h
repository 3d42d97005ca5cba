// Distinctive words: those by which later text may refer to a statement. Names ("Lanwick", "NASA"), identifiers
// ("parse_header", "hashKey", "DOC-569B") and words of code in back-ticks or called; not the words of the language and
// not plain numbers. A word is judged by its own bytes and its neighbours alone, so the same word is found in a
// statement and in a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace kedge {

struct Term {
  uint64_t hash;      // of the word: exact for code, without case for names and numbers of records
  size_t begin, end;  // bytes in the text
};

// Appends the distinctive words of a statement in their order, each once.
void distinctive_terms(std::string_view statement, std::vector<Term>* terms);

// The same words in text that arrives byte by byte. Any cut of the stream gives the same terms. Copyable; all of its
// state is in State.
class TermScanner {
 public:
  // Plain data without padding: a snapshot may store its bytes.
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
    bool operator==(const State&) const = default;
  };
  static_assert(std::has_unique_object_representations_v<State>);

  TermScanner() = default;
  explicit TermScanner(const State& state) : s_(state) {}

  // Calls sink(const Term&) for every term that the bytes end. Offsets count from the start of the stream.
  template <typename Sink>
  void push(std::string_view bytes, Sink&& sink) {
    Term term{};
    for (const char c : bytes) {
      if (step(static_cast<uint8_t>(c), &term)) sink(static_cast<const Term&>(term));
    }
  }
  // The stream ends, or pauses for good: the word that is open is complete.
  template <typename Sink>
  void finish(Sink&& sink) {
    Term term{};
    if (end_word(0, &term)) sink(static_cast<const Term&>(term));
  }

  size_t offset() const { return s_.offset; }
  const State& state() const { return s_; }
  void reset() { s_ = State{}; }

 private:
  bool step(uint8_t c, Term* term);
  void extend(uint8_t c);
  bool end_word(uint8_t next, Term* term);
  bool is_distinctive(uint8_t next, bool* exact) const;

  State s_;
};

}  // namespace kedge
