// What a reference is called: the keys by which text that arrives later is seen to mention it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "memory/anchors/detector.h"
#include "memory/anchors/name_scanner.h"

namespace kedge::memory {

enum NameFlag : uint8_t {
  kNameExact = 1,     // code: byte for byte
  kNameInCode = 2,    // a plain word: only in back-ticks or called
  kNameSlashed = 4,   // a URL, path or address: another one with '/', '?', ':' and the like behind it
  kNameBracket = 8,   // "[12": not in "[12:30"
  kNameHex = 16,      // a hexadecimal number: a beginning of seven digits tells it
  kNameSubject = 32,  // what its statement is about, "ferry Eskby": good for recall, but no name that could be missed
};

struct Name {
  uint64_t key = 0;
  uint16_t chars = 0;  // compared ones; of exact names, bytes
  uint16_t tail = 0;   // the last two compared ones
  uint32_t flags = 0;
  std::string text;  // the reference as it is written
};

// Every name of a reference that the detector found; none when its words could mean anything ("timeout = 30").
std::vector<Name> reference_names(ReferenceKind kind, std::string_view surface);
// Of a source that somebody named.
std::vector<Name> given_names(std::string_view source_id);
// The subjects of a statement: its proper names, each with the word beside it, or also `alone`.
std::vector<Name> subject_names(std::string_view statement, bool alone);
// Its distinctive words, for who asks by one; and those of a question.
std::vector<uint64_t> word_keys(std::string_view statement);

// Names and who has them. Copyable.
class NameTable {
 public:
  void add(const Name& name, uint32_t owner);
  void remove(const Name& name, uint32_t owner);
  size_t bytes() const {  // on the heap
    size_t n = by_key_.bucket_count() * sizeof(void*);
    for (const auto& [key, owners] : by_key_) n += 6 * sizeof(void*) + owners.capacity() * sizeof(uint32_t);
    return n;
  }

  struct Match {
    uint64_t key = 0;
    int words = 0;                                  // the scanner's newest; 0: its hexadecimal number
    size_t begin = 0;                               // in the stream
    const std::vector<uint32_t>* owners = nullptr;  // ascending
  };
  // Calls sink(const Match&) for what the scanner's newest words are called, the longest first. Whether it is a mention
  // of an owner is for is_mention().
  template <class Sink>
  void match(const NameScanner& scanner, Sink&& sink) const {
    const auto look_up = [&](uint64_t key, int words, size_t begin) {
      const auto found = by_key_.find(key);
      if (found != by_key_.end()) sink(Match{key, words, begin, &found->second});
    };
    if (!scanner.hex().empty()) look_up(hex_key(scanner.hex()), 0, scanner.hex_begin());
    if ((tails_[tail_bit(scanner.tail()) / 64] >> (tail_bit(scanner.tail()) % 64) & 1U) == 0) return;
    for (int n = scanner.words(); n > 0; --n) {
      const size_t chars = scanner.chars(n);
      const size_t bytes = scanner.end() - scanner.begin(n);
      if (chars <= longest_) look_up(folded_key(scanner.folded(n), chars), n, scanner.begin(n));
      if (bytes <= longest_exact_) look_up(exact_key(scanner.exact(n), bytes), n, scanner.begin(n));
    }
  }

  static uint64_t folded_key(uint64_t hash, size_t chars) { return mix(hash + chars); }
  static uint64_t exact_key(uint64_t hash, size_t bytes) { return mix(~hash + (bytes << 32)); }
  static uint64_t hex_key(std::string_view digits);  // of the first seven

 private:
  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 31)) * 0x94D049BB133111EBu;
    return x ^ (x >> 29);
  }
  static constexpr size_t kTails = 4096;
  static size_t tail_bit(uint16_t tail) { return (tail * 0x9E37U >> 4) & (kTails - 1); }

  std::unordered_map<uint64_t, std::vector<uint32_t>> by_key_;
  // What there is, or was: most words end no name.
  std::array<uint64_t, kTails / 64> tails_{};
  size_t longest_ = 0;
  size_t longest_exact_ = 0;
};

// Whether the scanner's newest words, that have the name's key, are a mention of it.
bool is_mention(const Name& name, const NameScanner& scanner, const NameTable::Match& match);

}  // namespace kedge::memory
