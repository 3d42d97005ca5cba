// Pins: which anchors are admitted, in what order, and how hits, truncation and time change that.
#include <gtest/gtest.h>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

Segment pin(int first, int last, uint8_t priority = 50, Pin kind = Pin::kSoft) {
  Segment s;
  s.first = first;
  s.last = last;
  s.kind = SegmentKind::kReference;
  s.pin = kind;
  s.priority = priority;
  return s;
}

std::vector<TagSpan> spans_of(const AnchorIndex& index, int next, PinRules rules) {
  return pin_spans(index, next, rules, [](const Anchor&) { return false; });
}
std::vector<TokenTag> tags(const AnchorIndex& index, int next, PinRules rules) {
  std::vector<int32_t> all(static_cast<size_t>(next));
  for (int i = 0; i < next; ++i) all[static_cast<size_t>(i)] = i;
  return tags_of(all, spans_of(index, next, rules));
}
// By position: h hard, s soft, m margin, x surplus, b boundary, . none.
std::string picture(const AnchorIndex& index, int next, PinRules rules) {
  std::string text;
  for (const TokenTag& t : tags(index, next, rules)) text += ".xmsbh"[static_cast<size_t>(t.pin)];
  return text;
}

TEST(Pins, CapAndPriority) {
  AnchorIndex index(false);
  index.add_anchor(pin(2, 6, 10));
  index.add_anchor(pin(10, 14, 90));
  index.add_anchor(pin(20, 24, 50));
  EXPECT_EQ("..xxxx....ssss......ssss......", picture(index, 30, {8, 0}));
  EXPECT_EQ("..xxxx....ssss......xxxx......", picture(index, 30, {7, 0}));
  EXPECT_EQ("..xxxx....xxxx......xxxx......", picture(index, 30, {3, 0}));
  EXPECT_EQ("..ssss....ssss......ssss......", picture(index, 30, {12, 0}));
  const auto t = tags(index, 30, {12, 0});
  EXPECT_GT(t[10].rank, t[20].rank);
  EXPECT_GT(t[20].rank, t[2].rank);
}

TEST(Pins, ASmallOneFindsRoomBehindALargeOneThatDoesNot) {
  AnchorIndex index(false);
  index.add_anchor(pin(0, 10, 90));
  index.add_anchor(pin(12, 14, 10));
  EXPECT_EQ("xxxxxxxxxx..ss", picture(index, 14, {9, 0}));
}

TEST(Pins, MarginsAndOverlaps) {
  AnchorIndex index(false);
  index.add_anchor(pin(0, 2));
  index.add_anchor(pin(6, 8, 90));
  EXPECT_EQ("ssmmmmssmmm...", picture(index, 14, {10, 3}));
  EXPECT_EQ("xx.mmmssmmm...", picture(index, 14, {2, 3})) << "surplus has no margin";
}

TEST(Pins, OverlappingSpansCountOnce) {
  AnchorIndex index(false);
  index.add_anchor(pin(2, 8));
  index.add_anchor(pin(3, 7));
  index.add_anchor(pin(6, 10));
  index.add_anchor(pin(12, 14));
  EXPECT_EQ("..ssssssss..ss", picture(index, 14, {10, 0}));
}

TEST(Pins, WhatLiesAheadIsNotPinned) {
  AnchorIndex index(false);
  index.add_anchor(pin(20, 24));
  EXPECT_TRUE(spans_of(index, 20, {10, 4}).empty());
  EXPECT_FALSE(spans_of(index, 21, {10, 4}).empty());
}

TEST(Pins, RecentlyMentionedFirstThenTheNewest) {
  AnchorIndex index(false);
  index.add_anchor(pin(0, 4));
  index.add_anchor(pin(10, 14));
  EXPECT_EQ("xxxx......ssss", picture(index, 14, {4, 0}));
  index.anchor(0).last_hit = 13;
  EXPECT_EQ("ssss......xxxx", picture(index, 14, {4, 0}));
}

TEST(Pins, TimeToLiveEndsAndIsRefreshedByAHit) {
  AnchorIndex index(false);
  Segment s = pin(0, 4);
  s.ttl = 10;
  index.add_anchor(s);
  EXPECT_EQ("ssss", picture(index, 14, {8, 0}).substr(0, 4));
  EXPECT_EQ("....", picture(index, 15, {8, 0}).substr(0, 4));
  index.anchor(0).last_hit = 20;
  EXPECT_EQ("ssss", picture(index, 30, {8, 0}).substr(0, 4));
  EXPECT_EQ("....", picture(index, 31, {8, 0}).substr(0, 4));
  index.anchor(0).at.pin = Pin::kHard;
  EXPECT_EQ("hhhh", picture(index, 100, {8, 0}).substr(0, 4)) << "hard pins do not run out";
}

TEST(Pins, UntrustedSourcesGetAQuarter) {
  AnchorIndex index(false);
  for (int i = 0; i < 4; ++i) {
    Segment s = pin(i * 4, i * 4 + 4, 90);
    s.trust = 0.4f;
    index.add_anchor(s);
  }
  index.add_anchor(pin(16, 20, 1));
  EXPECT_EQ("xxxxxxxxxxxxssssssss", picture(index, 20, {16, 0}));
}

TEST(Pins, OneSegmentGetsHalfWhileOthersWait) {
  AnchorIndex index(false);
  Segment user = pin(0, 20);
  user.kind = SegmentKind::kUser;
  user.pin = Pin::kNone;
  index.add_segment(user);
  user.first = 20;
  user.last = 40;
  index.add_segment(user);
  for (int i = 0; i < 4; ++i) index.add_anchor(pin(i * 4 + 1, i * 4 + 4, 90));
  index.add_anchor(pin(24, 28, 10));
  // Twelve tokens: six for the first segment, then the second one's four; two are left, too few for another.
  EXPECT_EQ("bxxx.xxx.sss.sss....b...ssss", picture(index, 28, {12, 0}));
  // Thirteen: the third of the first segment comes in when nobody waits.
  EXPECT_EQ("bxxx.sss.sss.sss....b...ssss", picture(index, 28, {13, 0}));
}

TEST(Pins, SegmentsMayComeInAnyOrderAndNest) {
  AnchorIndex index(false);
  Segment s = pin(50, 90);
  s.pin = Pin::kNone;
  index.add_segment(s);
  s.first = 0;
  s.last = 50;
  index.add_segment(s);
  s.first = 60;
  s.last = 70;
  index.add_segment(s);
  ASSERT_EQ(3u, index.segments().size());
  index.add_anchor(pin(10, 12));
  index.add_anchor(pin(65, 67));
  index.add_anchor(pin(75, 77));
  index.add_anchor(pin(95, 97));
  EXPECT_EQ(0, pins::segment_of(index, index.anchor(0)));
  EXPECT_EQ(2, pins::segment_of(index, index.anchor(1)));
  EXPECT_EQ(1, pins::segment_of(index, index.anchor(2))) << "behind the inner one, still in the outer one";
  EXPECT_EQ(-1, pins::segment_of(index, index.anchor(3)));
}

TEST(Pins, HardOnesAreNotBoundByQuotas) {
  AnchorIndex index(false);
  Segment s = pin(0, 6, 0, Pin::kHard);
  s.trust = 0;
  index.add_anchor(s);
  index.add_anchor(pin(8, 12, 99));
  EXPECT_EQ("hhhhhh..xxxx", picture(index, 12, {8, 0})) << "they are counted first";
  EXPECT_EQ("hhhhhh..ssss", picture(index, 12, {10, 0}));
  EXPECT_EQ(6, hard_pinned(index, 12));
}

TEST(Pins, WeakOnesNeedAttention) {
  AnchorIndex index(false);
  index.add_anchor(pin(0, 2));
  index.anchor(0).strong = false;
  EXPECT_TRUE(pin_spans(index, 9, PinRules{8, 0}, [](const Anchor&) { return false; }).empty());
  EXPECT_FALSE(pin_spans(index, 9, PinRules{8, 0}, [](const Anchor&) { return true; }).empty());
}

// Reads a text in tokens of up to four bytes, looks for references and says how many.
int read_text(AnchorIndex* index, std::string_view text) {
  std::vector<AnchorIndex::Hit> hits;
  int position = 0;
  for (size_t i = 0; i < text.size(); i += 4) index->note(position++, text.substr(i, 4), &hits);
  index->detect();
  return position;
}

// The share of a budget of a quarter of the text that pins take when attention promotes every reference.
double pinned_share(std::string_view text) {
  AnchorIndex index(true);
  const int n = read_text(&index, text);
  const int budget = n / 4;
  const PinRules rules{static_cast<int>(KvOptions().anchor_cap * static_cast<float>(budget)), 4};
  int pinned = 0;
  std::vector<int32_t> all(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) all[static_cast<size_t>(i)] = i;
  for (const TokenTag& t : tags_of(all, pin_spans(index, n, rules, [](const Anchor&) { return true; }))) {
    pinned += t.pin == PinClass::kSoft ? 1 : 0;
  }
  return static_cast<double>(pinned) / budget;
}

TEST(Pins, LogsAndCodeDoNotFloodTheBudget) {
  std::string json, daemon, versions, code;
  uint64_t random = 1;
  const auto next = [&random] { return (random = random * 6364136223846793005U + 1442695040888963407U) >> 33; };
  const auto line = [](const char* pattern, uint64_t a, uint64_t b) {
    char text[256];
    std::snprintf(text, sizeof text, pattern, static_cast<unsigned long>(a), static_cast<unsigned long>(b));
    return std::string(text);
  };
  for (int i = 0; i < 80; ++i) {
    json +=
        line("{\"level\": \"info\", \"trace_id\": \"%08lx0a1b%08lx\", \"msg\": \"request done\"}\n", next(), next());
    daemon +=
        line("web1 sshd[%lu]: Accepted publickey for deploy, session REQ-%lu opened\n", next() % 9999, next() % 99999);
    versions +=
        line("Unpacking libssl-dev:amd64 (3.0.%lu-1~deb12u2) over (3.0.%lu-1~deb12u1) ...\n", next() % 99, next() % 99);
    code += line("  row_%lu->next_item = find_header(table_size, kMaxBytes); // case %lu\n", next() % 99, next() % 9);
  }
  EXPECT_LE(pinned_share(json), 0.3);
  EXPECT_LE(pinned_share(daemon), 0.3);
  EXPECT_LE(pinned_share(versions), 0.3);
  EXPECT_LE(pinned_share(code), 0.3);
  EXPECT_GT(pinned_share(json), 0.1) << "what attention has chosen stays";
}

TEST(Pins, ReferencesThatAreRareInTheirTextStayStrong) {
  std::string text;
  const std::string filler =
      "Nothing of note happened on that day, and the people of the town went on as they had always done. ";
  for (int i = 0; i < 12; ++i) {
    for (int k = 0; k < 5; ++k) text += filler;
    text += "Record DOC-" + std::to_string(4100 + 7 * i) + " gives the code of gate Dovbridge as 1477. ";
  }
  AnchorIndex index(true);
  read_text(&index, text);
  EXPECT_EQ(12U, index.anchors().size() + index.provisional().size());
  EXPECT_TRUE(pins::fields_of(index).empty());
}

TEST(Pins, AnAnchorIsCalledByItsStrongReference) {
  AnchorIndex index(true);
  read_text(&index, "The tool pack_stream was changed for DOC-569B in March. It works. ");
  ASSERT_EQ(1U, index.anchors().size());
  EXPECT_EQ("DOC-569B", index.anchors().begin()->second.at.source_id);
  EXPECT_TRUE(index.anchors().begin()->second.strong);
}

TEST(Pins, RecordsComeBeforeAddresses) {
  AnchorIndex index(true);
  read_text(&index, "Record DOC-569B is open. Write to the office at a.b@example.org about it. Nobody came. ");
  ASSERT_EQ(2U, index.anchors().size());
  const Anchor& record = index.anchors().begin()->second;
  const Anchor& address = index.anchors().rbegin()->second;
  EXPECT_TRUE(record.strong && address.strong);
  EXPECT_GT(record.at.priority, address.at.priority);
}

TEST(Pins, WeakOnesGetAQuarterOfTheCap) {
  AnchorIndex index(false);
  for (int i = 0; i < 4; ++i) {
    index.add_anchor(pin(i * 4, i * 4 + 2));
    index.anchor(static_cast<uint32_t>(i)).strong = i == 0;
  }
  const auto spans = pin_spans(index, 16, PinRules{8, 0}, [](const Anchor&) { return true; });
  int soft = 0;
  for (const TagSpan& s : spans) soft += s.tag.pin == PinClass::kSoft ? s.last - s.first : 0;
  EXPECT_EQ(4, soft) << "two tokens of the strong one, two of the weak ones";
}

TEST(Pins, HardPinsAreAdmissionChecked) {
  KvOptions options;
  options.budget = 100;
  options.anchor_cap = 0.5f;
  Driver d = Driver::make(tiny_shape(1000), options);
  const std::vector<Segment> segments = {pin(0, 30, 50, Pin::kHard), pin(40, 61, 50, Pin::kHard),
                                         pin(70, 90, 50, Pin::kHard)};
  const auto refused = d.m->add_segments(segments);
  ASSERT_TRUE(refused.ok());
  ASSERT_EQ(1u, refused->size());
  EXPECT_EQ(40, (*refused)[0].first);
  EXPECT_EQ(61, (*refused)[0].last);
  EXPECT_EQ("hard pins take 30 tokens; 21 more exceed the cap of 50 (pinned softly instead)", (*refused)[0].reason);
  EXPECT_EQ(1u, d.m->counts().pins_refused);
  ASSERT_EQ(1u, d.m->log().entries().size());
  EXPECT_EQ(KvWhy::kRefuse, d.m->log().entries()[0].why);
  Prose prose(2);
  ASSERT_TRUE(d.append(prose.take(700), 64).ok());
  const auto hot = d.m->hot_positions();
  for (int p = 0; p < 90; ++p) {
    if (p >= 30 && p < 70) continue;
    EXPECT_TRUE(std::binary_search(hot.begin(), hot.end(), p)) << p;
  }
}

// What a cap of everything promises has to outlive evictions and recalls.
TEST(Pins, HardPinsStayWhateverComesBack) {
  KvOptions options;
  options.budget = 64;
  options.anchor_cap = 1.0f;
  options.cold = KvOptions::Cold::kRam;
  Driver d = Driver::make(tiny_shape(2000), options);
  const auto refused =
      d.m->add_segments(std::vector<Segment>{pin(10, 50, 50, Pin::kHard), pin(60, 90, 50, Pin::kHard)});
  ASSERT_TRUE(refused.ok());
  ASSERT_EQ(1u, refused->size());
  Prose prose(2);
  ASSERT_TRUE(d.append(prose.take(300), 64).ok());
  const auto hard_are_hot = [&] {
    const auto hot = d.m->hot_positions();
    for (int p = 10; p < 50; ++p) EXPECT_TRUE(std::binary_search(hot.begin(), hot.end(), p)) << p;
  };
  hard_are_hot();
  const auto too_much = d.recall(100, 120);
  ASSERT_FALSE(too_much.ok());
  EXPECT_EQ(ErrorCode::kCapacity, too_much.error().code);
  EXPECT_NE(std::string::npos, too_much.error().message.find("40 in hard pins")) << too_much.error().message;
  const auto fits = d.recall(100, 110);
  ASSERT_TRUE(fits.ok()) << fits.error().message;
  hard_are_hot();
  ASSERT_TRUE(d.append(prose.take(300), 64).ok());
  hard_are_hot();
  d.check("hard pins");
}

TEST(Pins, APolicyWithoutMetadataRefusesThem) {
  KvOptions options;
  options.budget = 64;
  options.policy = "recency";
  Driver d = Driver::make(tiny_shape(1000), options);
  const auto refused = d.m->add_segments(std::vector<Segment>{pin(0, 4, 50, Pin::kHard)});
  ASSERT_TRUE(refused.ok());
  ASSERT_EQ(1u, refused->size());
  EXPECT_EQ("the policy 'recency' knows no pins", (*refused)[0].reason);
}

TEST(Pins, BadSegmentsAddNothing) {
  KvOptions options;
  options.budget = 64;
  Driver d = Driver::make(tiny_shape(100), options);
  const uint64_t before = d.m->retention();
  for (const auto& [first, last] : std::vector<std::pair<int, int>>{{-1, 3}, {5, 5}, {6, 5}, {90, 101}}) {
    const auto r = d.m->add_segments(std::vector<Segment>{pin(0, 4), pin(first, last)});
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(ErrorCode::kInvalidArgument, r.error().code);
    EXPECT_NE(std::string::npos, r.error().message.find("[" + std::to_string(first) + ", "));
  }
  EXPECT_EQ(before, d.m->retention());
  EXPECT_TRUE(d.m->index().anchors().empty());
}

// --- AnchorIndex --------------------------------------------------------------------------------------------------

std::vector<AnchorIndex::Hit> note_all(AnchorIndex& index, int first, const std::vector<std::string>& texts) {
  std::vector<AnchorIndex::Hit> hits;
  for (size_t i = 0; i < texts.size(); ++i) index.note(first + static_cast<int>(i), texts[i], &hits);
  return hits;
}

TEST(AnchorIndex, SegmentsMarkedAheadOfTheirText) {
  AnchorIndex index(false);
  index.add_anchor(pin(2, 5));
  auto hits =
      note_all(index, 0, {"The ", "note ", "of ", "Lanwick", " says", " so", ". ", "Lan", "wick", " it", " is"});
  ASSERT_EQ(1u, hits.size()) << "not by its own text";
  EXPECT_EQ((std::vector<uint32_t>{0}), hits[0].anchors);
  EXPECT_TRUE(hits[0].subject) << "a proper name is no reference";
  EXPECT_EQ(9, hits[0].position) << "the token that ends the word";
  EXPECT_EQ(9, index.anchor(0).last_hit);
  EXPECT_EQ((std::vector<uint32_t>{0}), index.mentioned_in("what of Lanwick?"));
  EXPECT_TRUE(index.mentioned_in("what of it?").empty());
}

TEST(AnchorIndex, TheSourceIsAMentionToo) {
  AnchorIndex index(false);
  Segment s = pin(0, 2);
  s.source_id = "handbook 7";
  index.add_anchor(s);
  note_all(index, 0, {"some", " words", " more"});
  EXPECT_EQ((std::vector<uint32_t>{0}), index.mentioned_in("handbook 7"));
}

struct Found {
  int32_t first, last, last_hit;
  std::string source;
  bool strong;
  bool operator==(const Found&) const = default;
};
std::vector<Found> found(const AnchorIndex& index) {
  std::vector<Found> all;
  for (const auto& [id, a] : index.anchors()) {
    all.push_back({a.at.first, a.at.last, a.last_hit, a.at.source_id, a.strong});
  }
  for (const Anchor& a : index.provisional()) {
    all.push_back({a.at.first, a.at.last, -2, a.at.source_id, a.strong});
  }
  return all;
}

// Tokens of one byte: positions are bytes. Looking for anchors at any moments in between finds the same ones in the
// end.
TEST(AnchorIndex, DetectionDoesNotDependOnWhenItLooks) {
  Prose prose(9);
  std::string text;
  while (text.size() < 3000) text += prose.next();
  const auto run = [&](int every) {
    AnchorIndex index(true);
    std::vector<AnchorIndex::Hit> hits;
    for (size_t i = 0; i < text.size(); ++i) {
      index.note(static_cast<int>(i), text.substr(i, 1), &hits);
      if (every > 0 && i % static_cast<size_t>(every) == 0) index.detect();
    }
    index.detect();
    std::vector<Found> all = found(index);
    for (Found& f : all) f.last_hit = 0;
    return all;
  };
  const auto once = run(0);
  ASSERT_GT(once.size(), 5u);
  for (const int every : {1, 3, 17, 100, 999}) EXPECT_EQ(once, run(every)) << every;
}

TEST(AnchorIndex, PositionsOfDetectedSpansAreTokens) {
  AnchorIndex index(true);
  note_all(index, 100, {"It rained.\n", "The price", " of", " DOC-", "83FA", "21 is", " 7.\n", "It was", " cold.\n"});
  index.detect();
  const auto all = found(index);
  ASSERT_EQ(1u, all.size());
  EXPECT_EQ(101, all[0].first);
  EXPECT_EQ(107, all[0].last);
  EXPECT_EQ("DOC-83FA21", all[0].source);
  EXPECT_TRUE(all[0].strong);
}

TEST(AnchorIndex, UntilRecallStopsBehindAMention) {
  AnchorIndex index(false);
  index.add_anchor(pin(0, 3));
  note_all(index, 0, {"The ", "DOC-", "83FA21", " is", " gone", "."});
  const std::vector<std::string_view> next = {" see", " DOC", "-83F", "A21", " now", " and", " then"};
  EXPECT_EQ(7u, index.until_recall(next)) << "nothing of it is cold";
  index.count(std::vector<int32_t>{4, 5}, 6, [](int32_t) { return true; });
  EXPECT_EQ(3, index.anchor(0).cold);
  EXPECT_EQ(5u, index.until_recall(next));
  for (size_t cut = 1; cut < 5; ++cut) {  // however the steps fall
    AnchorIndex copy = index;
    std::vector<AnchorIndex::Hit> hits;
    for (size_t i = 0; i < cut; ++i) copy.note(6 + static_cast<int>(i), next[i], &hits);
    EXPECT_TRUE(hits.empty());
    EXPECT_EQ(5 - cut, copy.until_recall(std::span(next).subspan(cut)));
  }
}

TEST(AnchorIndex, CopiesGoTheirOwnWay) {
  AnchorIndex a(true);
  note_all(a, 0, {"The price of", " DOC-83FA21", " is 7.\n"});
  AnchorIndex b = a;
  note_all(b, 3, {"See", " INV-1991-9185", " which is 9.\n", "It rained.\n"});
  a.detect();
  b.detect();
  EXPECT_EQ(1u, found(a).size());
  EXPECT_EQ(2u, found(b).size());
}

TEST(AnchorIndex, TruncationForgetsWhatCameBehind) {
  const std::vector<std::string> texts = {"The price of", " DOC-83FA21", " is 7.\n",  "The price of",
                                          " DOC-99AB77",  " is 8.\n",    "It rained", ".\n"};
  for (int n = 0; n <= 8; ++n) {
    for (const bool looked : {false, true}) {
      AnchorIndex index(true);
      note_all(index, 0, texts);
      if (looked) index.detect();
      index.truncate(n);
      for (const Found& f : found(index)) EXPECT_LE(f.last, n);
      note_all(index, n, {".\n\nThe price of", " TKT-433961", " is 5.\n", "It rained.\n"});
      index.detect();
      const auto all = found(index);
      ASSERT_FALSE(all.empty()) << n;
      EXPECT_EQ("TKT-433961", all.back().source) << n;
      EXPECT_EQ(n, all.back().first) << n << looked;
      EXPECT_EQ(n + 3, all.back().last) << n << looked;
      std::vector<AnchorIndex::Hit> hits = note_all(index, n + 4, {" see", " TKT-433961", " again"});
      EXPECT_EQ(1u, hits.size()) << n;
      hits = note_all(index, n + 7, {" see", " DOC-99AB77", " again"});
      if (n == 5) continue;  // half of the statement is there: whether it counts is the detector's
      EXPECT_EQ(n >= 6 ? 1u : 0u, hits.size()) << n << looked;
    }
  }
}

TEST(AnchorIndex, OldAnchorsThatAreGoneAreForgotten) {
  AnchorIndex index(false);
  std::vector<AnchorIndex::Hit> hits;
  constexpr int kMany = 20000;
  for (int i = 0; i < kMany; ++i) {
    index.add_anchor(pin(2 * i, 2 * i + 1));
    index.note(2 * i, "ID-" + std::to_string(100000 + i) + "X", &hits);
    index.note(2 * i + 1, " . ", &hits);
    if (i % 1000 == 999) index.count({}, 2 * i + 2, [](int32_t) { return false; });
    ASSERT_LE(index.anchors().size(), (size_t{1} << 13) + 1000);
  }
  EXPECT_GT(index.forgotten(), 10000u);
  EXPECT_EQ(static_cast<size_t>(kMany), index.anchors().size() + index.forgotten());
  EXPECT_TRUE(index.mentioned_in("ID-100000X").empty());
  EXPECT_EQ(1u, index.mentioned_in("ID-119999X").size());
}

TEST(AnchorIndex, SegmentsThatAreGoneAltogetherAreForgotten) {
  AnchorIndex index(false);
  const int n = 3000;
  for (int i = 0; i < n; ++i) index.add_segment({.first = 10 * i, .last = 10 * i + 10, .source_id = ""});
  // Hot: the first token and the last five hundred; cold: one token of the second segment.
  std::vector<int32_t> hot = {0};
  for (int p = 10 * n - 500; p < 10 * n; ++p) hot.push_back(p);
  index.count(hot, 10 * n, [](int32_t p) { return p == 15; });
  ASSERT_EQ(2u + 50u, index.segments().size());
  EXPECT_EQ(0, index.segments()[0].first);
  EXPECT_EQ(10, index.segments()[1].first);
  EXPECT_EQ(10 * n - 500, index.segments()[2].first);
}

TEST(AnchorIndex, EveryStatementWithTheNameCountsTheNewestFirst) {
  AnchorIndex index(true);
  int32_t position = 0;
  std::vector<AnchorIndex::Hit> hits;
  const auto say = [&](const std::string& text) { index.note(position++, text, &hits); };
  for (int i = 0; i < 9; ++i) {
    say("According to DOC-83FA21, the price of parcel " + std::to_string(i + 2) + " is 7.\n");
    say("It rained.\n");
  }
  index.detect();
  ASSERT_EQ(9u, index.anchors().size());
  hits.clear();
  say("See doc 83FA21 again.");
  ASSERT_EQ(1u, hits.size());
  EXPECT_EQ("DOC-83FA21", hits[0].reference);
  ASSERT_EQ(9u, hits[0].anchors.size());
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(16 - 2 * static_cast<int32_t>(i), index.anchor(hits[0].anchors[i]).at.first);
  EXPECT_EQ(9u, index.mentioned_in("and DOC-83FA21?").size());
}

}  // namespace
}  // namespace kedge::memory
