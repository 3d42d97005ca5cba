// What is known about the tokens of a sequence: segments (whose text it is), and anchors (spans that later text points
// back to), given through the API or found by the detector. Text comes in token by token; new text that mentions an
// anchor is a hit. Plain data: copying it copies the state, for forks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "memory/anchors/detector.h"
#include "memory/anchors/names.h"

namespace kedge::memory {

enum class SegmentKind : uint8_t { kSystem, kUser, kGenerated, kTool, kRetrieved, kReference };
const char* segment_kind_name(SegmentKind kind);
enum class Pin : uint8_t { kNone, kSoft, kHard };

struct Segment {
  int32_t first = 0;  // positions [first, last)
  int32_t last = 0;
  SegmentKind kind = SegmentKind::kUser;
  Pin pin = Pin::kNone;
  uint8_t priority = 50;  // 0 to 99
  int32_t ttl = 0;        // tokens after the last use for which the pin holds; 0: for ever
  float trust = 1.0f;     // 0 to 1
  std::string source_id;
};

// A pinned segment, or a reference the detector found.
struct Anchor {
  Segment at;
  bool detected = false;
  bool strong = true;           // weak ones are pinned only when attention says so
  int32_t last_hit = -1;        // position of the latest text that mentioned it
  size_t text_end = 0;          // bytes of the stream before its end
  std::vector<Name> names;      // by which text mentions it
  std::vector<uint64_t> words;  // by which it can be asked for
  // As of the last look at the cache:
  int32_t hot = 0;    // of its tokens
  int32_t cold = 0;   // of those not hot: can be brought back
  bool seen = false;  // its last token has been evaluated

  int32_t length() const { return at.last - at.first; }
  int32_t missing() const { return seen ? length() - hot : 0; }
};

class AnchorIndex {
 public:
  explicit AnchorIndex(bool detect) : detect_(detect) {}

  // A mention of anchors.
  struct Hit {
    int32_t position;  // of the token that completed it
    bool subject;      // of what they are about, not of their names: nothing is missed when they are gone
    std::string reference;
    std::vector<uint32_t> anchors;  // those of the longest name first, of one name the newest; some perhaps twice
  };

  void add_segment(const Segment& segment);  // whose text: no pin
  void add_anchor(const Segment& segment);   // its positions may lie ahead
  // The token at `position` has this text. Hits are appended.
  void note(int32_t position, std::string_view bytes, std::vector<Hit>* hits);
  // How many of these tokens, which come next, may be evaluated before anchors with recallable tokens are hit: the
  // token that completes the hit is included. texts.size() when there is no such hit.
  size_t until_recall(std::span<const std::string_view> texts) const;
  // Looks for references in the text since the last time. What is not certain yet, because a statement may go on, is
  // in provisional() until the next time.
  void detect();
  // Positions from n on are forgotten.
  void truncate(int32_t n);
  // Counts hot and cold tokens of every anchor: `hot` are positions, ascending.
  template <class InCold>
  void count(std::span<const int32_t> hot, int32_t next_position, InCold&& in_cold) {
    n_recallable_ = 0;
    for (auto& [id, a] : anchors_) {
      count_one(a, hot, next_position, in_cold);
      n_recallable_ += a.cold > 0 ? 1 : 0;
    }
    for (Anchor& a : provisional_) count_one(a, hot, next_position, in_cold);
    forget_old();
    if (segments_.size() > kMaxSegments) forget_segments(hot, next_position, in_cold);
  }

  const std::map<uint32_t, Anchor>& anchors() const { return anchors_; }  // by id, in the order they were added
  std::span<const Anchor> provisional() const { return provisional_; }
  const std::vector<Segment>& segments() const { return segments_; }  // by their beginning
  Anchor& anchor(uint32_t id) { return anchors_.at(id); }
  // Anchors that `text` mentions.
  std::vector<uint32_t> mentioned_in(std::string_view text) const;
  size_t bytes() const;                              // on the heap
  uint64_t forgotten() const { return forgotten_; }  // anchors dropped after all of their tokens had been lost

  friend class SnapshotAccess;

 private:
  static constexpr size_t kMaxShared = 4;          // a word or subject that more anchors have tells nothing
  static constexpr size_t kMaxNamesakes = 256;     // of more anchors with one name the newest are looked at
  static constexpr size_t kMaxAnchors = 1 << 13;   // the oldest that have lost all of their tokens are forgotten
  static constexpr size_t kMaxSegments = 1 << 10;  // of more, those that have lost all of their tokens

  template <class InCold>
  static void count_one(Anchor& a, std::span<const int32_t> hot, int32_t next_position, InCold&& in_cold) {
    if (a.seen && a.hot == 0 && a.cold == 0) return;  // gone for good
    a.seen = a.at.last <= next_position;
    const auto from = std::lower_bound(hot.begin(), hot.end(), a.at.first);
    const auto to = std::lower_bound(from, hot.end(), a.at.last);
    a.hot = static_cast<int32_t>(to - from);
    a.cold = 0;
    if (!a.seen || a.hot == a.length()) return;
    auto at = from;
    for (int32_t p = a.at.first; p < a.at.last; ++p) {
      if (at != to && *at == p) {
        ++at;
      } else if (in_cold(p)) {
        ++a.cold;
      }
    }
  }
  template <class InCold>
  void forget_segments(std::span<const int32_t> hot, int32_t next_position, InCold&& in_cold) {
    std::erase_if(segments_, [&](const Segment& s) {
      const auto at = std::lower_bound(hot.begin(), hot.end(), s.first);
      if (s.last > next_position || (at != hot.end() && *at < s.last)) return false;
      for (int32_t p = s.first; p < s.last; ++p) {
        if (in_cold(p)) return false;
      }
      return true;
    });
  }
  void add_names(uint32_t id, std::vector<Name> names);
  void add_words(uint32_t id, const std::vector<uint64_t>& words);
  void index_given(uint32_t id, std::string_view text);
  void index_statement(std::span<const Reference> references);
  // Calls sink(id, name) for the anchors that the scanner's newest words mention.
  template <class Sink>
  void mentioned(const NameScanner& scanner, Sink&& sink) const {
    names_.match(scanner, [&](const NameTable::Match& match) {
      size_t looked_at = 0;
      for (auto id = match.owners->rbegin(); id != match.owners->rend() && looked_at < kMaxNamesakes;
           ++id, ++looked_at) {
        const Anchor& a = anchors_.at(*id);
        if (match.begin < a.text_end) continue;  // its own text
        const auto name =
            std::find_if(a.names.begin(), a.names.end(), [&](const Name& n) { return n.key == match.key; });
        const bool subject = (name->flags & kNameSubject) != 0;
        if (subject && match.owners->size() > kMaxShared) return;
        if (is_mention(*name, scanner, match)) sink(*id, *name);
      }
    });
  }
  int32_t position_at(size_t byte) const;
  Anchor from_reference(const Reference& r) const;
  void drop_names(uint32_t id, const Anchor& a);
  void forget_old();

  bool detect_;
  uint32_t next_id_ = 0;
  std::map<uint32_t, Anchor> anchors_;
  std::vector<Anchor> provisional_;
  std::vector<Segment> segments_;
  NameTable names_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> words_;
  std::map<uint32_t, std::string> open_;  // text so far of given anchors whose end is not reached
  NameScanner scanner_;
  // Text that the detector has not settled, and where its tokens begin in it (the first may begin before it).
  std::string text_;
  size_t text_offset_ = 0;  // bytes of the stream before it
  std::vector<int64_t> token_begin_;
  int32_t first_position_ = 0;
  uint64_t forgotten_ = 0;
  size_t n_recallable_ = 0;  // anchors with cold tokens, as of the last count()
};

}  // namespace kedge::memory
